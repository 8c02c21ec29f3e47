// What is handed over stands the world outside: children that become another user's, programs that know nothing of Sluice, open
// files that others share.
#include "launching.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

namespace sluice_test {
namespace {

using sluice::Deadline;
using sluice::Errc;
using sluice::Handle;

int native(const Handle& handle) { return static_cast<int>(handle.native()); }
bool is_nonblocking(int descriptor) { return (fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0; }

// ---- spawn ---------------------------------------------------------------------------------------------------------------

// Root's right to kill anybody, which this thread does without meanwhile.
class WithoutTheRightToKill {
 public:
  WithoutTheRightToKill() {
    taken_ = syscall(SYS_capget, &header_, before_.data()) == 0;
    auto without = before_;
    without[0].effective &= ~(1U << CAP_KILL);
    taken_ = taken_ && syscall(SYS_capset, &header_, without.data()) == 0;
  }
  WithoutTheRightToKill(const WithoutTheRightToKill&) = delete;
  WithoutTheRightToKill& operator=(const WithoutTheRightToKill&) = delete;
  ~WithoutTheRightToKill() {
    if (taken_) syscall(SYS_capset, &header_, before_.data());
  }
  [[nodiscard]] bool is_taken() const { return taken_; }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> before_{};
  bool taken_{false};
};

TEST(HandedOver, AChildThatCannotBeKilledIsNotWaitedFor) {
  if (geteuid() != 0) GTEST_SKIP() << "only root's children can become another user's";
  const WithoutTheRightToKill without;
  ASSERT_TRUE(without.is_taken());
  std::array<int, 2> until{};
  ASSERT_EQ(pipe2(until.data(), O_CLOEXEC), 0);
  fcntl(until[0], F_SETFD, 0);
  const std::vector<std::string> words{child_program(), "nobody", std::to_string(until[0])};
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_CODE(sluice::spawn("pipe:", words, 500ms), Errc::timed_out);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kPatience);
  siginfo_t info{};
  EXPECT_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), 0);
  EXPECT_EQ(info.si_pid, 0) << "it lives";
  close(until[0]);
  close(until[1]);
  ASSERT_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
  auto another = sluice::spawn("pipe:", std::vector<std::string>{child_program(), "echo", "0"}, kPatience);
  ASSERT_DONE(another);
  EXPECT_DONE(another->process.kill());
  EXPECT_DONE(another->process.wait(kPatience));
  EXPECT_FALSE(has_children()) << "it was reaped when it had ended";
}

}  // namespace
}  // namespace sluice_test
