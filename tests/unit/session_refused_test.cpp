// An accepted message whose handles the system refuses to carry, for too many are on their way (ETOOMANYREFS, unix(7)): it goes
// once the system takes them, although nothing tells when that is, and nobody spins meanwhile. Both ends are in this process,
// over a socket pair or a region, behind a link that refuses when it is told to.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <sluice/sluice.hpp>
#include <string_view>
#include <thread>
#include <utility>

#include "core/session.hpp"
#include "os/shared_region.hpp"
#include "os/unix_stream.hpp"
#include "os/unnamed_memory.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::Deadline;
using sluice::Errc;
using sluice::Error;
using sluice::Result;
using sluice::Step;
using sluice::Want;
using sluice::core::Session;
namespace links = sluice::links;
namespace os = sluice::os;

constexpr auto kPatience = 10s;
constexpr auto kMoment = 100ms;
// In a moment: one for each kRetryRefused, and some for what else there is. Who spins comes to thousands.
constexpr unsigned kMostTries = 20;

enum class Takes : std::uint8_t { all, nothing, no_handles };

// A socket that is full, or that the system refuses handles, as long as `takes` says so.
class Refusing final : public links::StreamLink {
 public:
  Refusing(int socket, const std::atomic<Takes>& takes) : stream_(links::Descriptor{socket}), takes_(takes) {}

  Result<std::size_t> write(std::span<const std::span<const std::byte>> buffers,
                            std::span<const links::Descriptor::Native> handles) override {
    if (takes_ == Takes::nothing) return Error{Errc::would_block, Step::send, EAGAIN, 0, 0};
    if (takes_ == Takes::no_handles && !handles.empty()) return Error{Errc::limit_reached, Step::send, ETOOMANYREFS, 0, 0};
    return stream_.write(buffers, handles);
  }
  Result<std::size_t> read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>* handles) override {
    return stream_.read(rooms, handles);
  }
  [[nodiscard]] links::Waitable incoming() const override { return stream_.incoming(); }
  [[nodiscard]] links::Waitable outgoing() const override { return stream_.outgoing(); }
  [[nodiscard]] bool carries_handles() const override { return true; }

 private:
  os::UnixStream stream_;
  const std::atomic<Takes>& takes_;
};

class RefusedHandles : public testing::TestWithParam<sluice::Shape> {
 protected:
  void SetUp() override {
    std::array<int, 2> sockets{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()), 0);
    auto ours = std::make_unique<Refusing>(sockets[0], takes_);
    auto theirs = std::make_unique<os::UnixStream>(links::Descriptor{sockets[1]});
    if (GetParam() == sluice::Shape::stream) {
      first_.emplace(established(std::move(ours), nullptr));
      second_.emplace(established(std::move(theirs), nullptr));
      return;
    }
    auto maker = os::SharedRegion::make(os::new_unnamed_memory().value(), links::kMinRingCapacity).value();
    auto taker = os::SharedRegion::take(maker->offer().value()).value();
    first_.emplace(established(std::shared_ptr<links::RegionLink>(std::move(maker)), std::move(ours)));
    second_.emplace(established(std::shared_ptr<links::RegionLink>(std::move(taker)), std::move(theirs)));
  }

  // Accepts a message with a handle that the link has no room for at first, and refuses after that.
  void leave_a_tail() {
    takes_ = Takes::nothing;
    ASSERT_TRUE(first_->loan(4, Deadline::now()));
    const sluice::Handle handle{::dup(STDERR_FILENO)};
    ASSERT_TRUE(first_->attach({&handle, 1}));
    ASSERT_TRUE(first_->commit(4));
    takes_ = Takes::no_handles;
  }

  void expect_it() {
    const auto message = second_->receive(kPatience);
    ASSERT_TRUE(message) << describe(message.error());
    EXPECT_EQ(message->bytes().size(), 4U);
    EXPECT_EQ(message->handles().size(), 1U);
  }

  static sluice::Outgoing plain() {
    static const auto bytes = sluice::as_bytes("plain");
    return {.parts = {&bytes, 1}, .handles = {}};
  }

  std::atomic<Takes> takes_{Takes::all};
  std::optional<Session> first_;
  std::optional<Session> second_;

 private:
  static sluice::core::Established established(links::AnyLink link, std::unique_ptr<links::StreamLink> handles) {
    constexpr std::size_t kMaxMessage = 1000;
    constexpr std::size_t kMaxHandles = 4;
    sluice::Traits traits;
    traits.shape = GetParam();
    traits.handles = true;
    return {.link = std::move(link),
            .handles = std::move(handles),
            .tether = std::make_unique<links::NoTether>(),
            .peer = {},
            .traits = traits,
            .max_incoming = kMaxMessage,
            .max_outgoing = kMaxMessage,
            .max_incoming_handles = kMaxHandles,
            .max_outgoing_handles = kMaxHandles};
  }
};
INSTANTIATE_TEST_SUITE_P(Over, RefusedHandles, testing::Values(sluice::Shape::stream, sluice::Shape::region),
                         [](const auto& tested) { return std::string(sluice::name(tested.param)); });

TEST_P(RefusedHandles, GoOnceTheyAreTakenWhileSomebodyReceives) {
  leave_a_tail();
  EXPECT_EQ(first_->receive(kMoment).error().code, Errc::timed_out);
  EXPECT_LE(first_->statistics().waits_receiving, kMostTries);
  std::thread receiving([&] { EXPECT_TRUE(first_->receive(kPatience)); });
  takes_ = Takes::all;
  expect_it();
  EXPECT_TRUE(second_->send(plain(), kPatience));
  receiving.join();
}

TEST_P(RefusedHandles, GoOnceTheyAreTakenInAnEventLoop) {
  leave_a_tail();
  for (const auto want : {Want::message, Want::message | Want::room}) {
    unsigned rounds = 0;
    for (const Deadline moment{kMoment}; !moment.has_passed(); ++rounds) {
      const auto found = first_->arm(want);
      ASSERT_TRUE(found && !found->anything());
      pollfd look{static_cast<int>(first_->waitable().value().native), POLLIN, 0};
      (void)::poll(&look, 1, 100);
    }
    EXPECT_LE(rounds, kMostTries);
  }
  ASSERT_FALSE(first_->arm(Want::message).value().anything());
  takes_ = Takes::all;
  pollfd look{static_cast<int>(first_->waitable().value().native), POLLIN, 0};
  EXPECT_EQ(::poll(&look, 1, 10'000), 1) << "nothing else would tell";
  ASSERT_FALSE(first_->arm(Want::message).value().anything());
  expect_it();
  // From here on there is nothing to wake for.
  ASSERT_FALSE(first_->arm(Want::message).value().anything());
  EXPECT_EQ(::poll(&look, 1, 100), 0);
}

TEST_P(RefusedHandles, KeepWhatComesBehindThemWaiting) {
  leave_a_tail();
  EXPECT_EQ(first_->send(plain(), Deadline::now()).error().code, Errc::would_block);
  EXPECT_EQ(first_->send(plain(), kMoment).error().code, Errc::timed_out);
  EXPECT_EQ(first_->loan(4, Deadline::now()).error().code, Errc::would_block);
  EXPECT_EQ(first_->finish(kMoment).error().code, Errc::timed_out);
  EXPECT_EQ(first_->flush(kMoment).error().code, Errc::timed_out);
  EXPECT_LE(first_->statistics().waits_sending, 3 * kMostTries);
  EXPECT_FALSE(first_->ended());
  std::thread sending([&] {
    EXPECT_TRUE(first_->send(plain(), kPatience));
    EXPECT_TRUE(first_->finish(kPatience));
  });
  takes_ = Takes::all;
  expect_it();
  EXPECT_TRUE(second_->receive(kPatience));
  EXPECT_EQ(second_->receive(kPatience).error().code, Errc::closed);
  sending.join();
}

TEST_P(RefusedHandles, AreWaitedForByClose) {
  leave_a_tail();
  std::thread closing([&] { EXPECT_TRUE(first_->close(kPatience)); });
  while (first_->statistics().waits_sending == 0) std::this_thread::yield();  // counted as it falls asleep
  takes_ = Takes::all;
  expect_it();
  EXPECT_EQ(second_->receive(kPatience).error().code, Errc::closed);
  closing.join();
  EXPECT_LE(first_->statistics().waits_sending, kMostTries);
}

TEST_P(RefusedHandles, KeepCloseNoLongerThanItsDeadline) {
  leave_a_tail();
  EXPECT_EQ(first_->close(kMoment).error().code, Errc::timed_out);
  EXPECT_LE(first_->statistics().waits_sending, kMostTries);
}

}  // namespace
