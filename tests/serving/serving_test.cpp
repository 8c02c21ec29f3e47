// One thread serves 200 clients of other processes over stream, packets and region, from several listeners, and disconnects the
// slow ones, while nobody else waits for them.
//
// The mix fits into the limits that systems come with: 1024 descriptors a process (RLIMIT_NOFILE; here it is set to that), of
// which a channel takes three to eight in the server, and 800 KiB of message queues (RLIMIT_MSGQUEUE), which belong to all
// processes of the user: so few of the clients come over queues, and these are small (17 KiB a pair, or 9).
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "loops.hpp"
#include "machine.hpp"
#include "scratch.hpp"
#include "server.hpp"

namespace sluice_test {
namespace {

constexpr int kClients = 200;
constexpr std::size_t kParts = 5;  // of the mix
constexpr rlim_t kUsualDescriptors = 1024;

class UsualDescriptors {
 public:
  UsualDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit usual{std::min(kUsualDescriptors, before_.rlim_max), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &usual);
  }
  UsualDescriptors(const UsualDescriptors&) = delete;
  UsualDescriptors& operator=(const UsualDescriptors&) = delete;
  ~UsualDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

bool is_available(std::string_view mechanism) {
  const auto rows = sluice::mechanisms();
  return std::ranges::any_of(rows, [&](const auto& row) { return row.name == mechanism && row.available; });
}

// Of these mechanisms those that this machine has; the first of them has the clients of the others as well.
std::vector<Share> mix(Scratch& scratch) {
  struct Part {
    std::string_view mechanism;
    std::string place;
    int clients;
    std::size_t capacity{std::size_t{64} << 10};
  };
  const std::array<Part, kParts> parts{{{"unix", scratch.folder() + "/meet", 92},
                                        {"tcp", "127.0.0.1:0", 66},
                                        {"local", scratch.unique_name(), 20},
                                        {"shm", scratch.unique_name(), 14},
                                        {"mq", "/" + scratch.unique_name(), 8, std::size_t{4} << 10}}};
  std::vector<Share> shares;
  int left = kClients;
  for (const auto& part : parts) {
    if (!is_available(part.mechanism)) continue;
    shares.push_back({std::string(part.mechanism) + ':' + part.place, part.clients, part.capacity});
    left -= part.clients;
  }
  if (!shares.empty()) shares.front().clients += left;
  return shares;
}

class Serving : public testing::Test {
 protected:
  void serve_by(std::unique_ptr<Loop> loop) {
    const auto shares = mix(scratch_);
    ASSERT_GE(shares.size(), 2U);
    {
      Server server(*loop, shares);
      server.serve();
      const bool has_all = shares.size() == kParts;
      EXPECT_TRUE(!has_all || server.shapes().size() == 3U) << "a stream, packets and a region";
      std::printf("%zu descriptors\n", server.most_descriptors());
    }
    loop.reset();
    scratch_.note_objects();
    EXPECT_EQ(scratch_.leftovers(), std::vector<std::string>{});
  }

 private:
  UserLock lock_{UserLock::Hold::shared};
  UsualDescriptors descriptors_;
  Scratch scratch_;
};

TEST_F(Serving, AWaitSetServesAllAndDisconnectsTheSlow) { serve_by(make_wait_set_loop()); }

TEST_F(Serving, ALoopOfOnesOwnServesAllAndDisconnectsTheSlow) { serve_by(make_epoll_loop()); }

}  // namespace
}  // namespace sluice_test
