// What statistics() says of waits and wake-ups, over inproc in all its shapes: a try costs none, a sleep counts once.
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <cstdint>
#include <sluice/sluice.hpp>
#include <string_view>
#include <thread>
#include <vector>

#include "unit/connected_ends.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::Channel;
using sluice::Deadline;
using sluice::Statistics;
using sluice_test::Ends;
using sluice_test::kPatience;

class CountedWaits : public sluice_test::OverShapes {
 protected:
  // Nobody spins: a call that finds nothing sleeps.
  static Ends connect_ends() {
    sluice::Options sleeps_at_once;
    sleeps_at_once.spin = 0us;
    return sluice_test::connect_ends(GetParam(), sleeps_at_once, sleeps_at_once);
  }
  static bool is_region() { return std::string_view{GetParam()}.find("region") != std::string_view::npos; }
  // Where a message of some bytes is there as a whole, or not at all.
  static bool moves_whole_messages() { return std::string_view{GetParam()}.find("chop") == std::string_view::npos; }
};

// Counted as it falls asleep, so this is also how a test knows that it does.
void await(const Channel& channel, std::uint64_t Statistics::* waits, std::uint64_t count) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (channel.statistics().*waits < count) {
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    std::this_thread::yield();
  }
}

TEST_P(CountedWaits, TriesCostNone) {
  auto ends = connect_ends();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(ends.second.receive(Deadline::now()));
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(ends.first.send(sluice::as_bytes("one"), Deadline::now()));
    while (!ends.second.receive(Deadline::now())) {
      ASSERT_LT(std::chrono::steady_clock::now(), until);
      ends.first.advance();  // moves the rest, where the link takes little at a time
    }
  }
  // Until no more goes in, and still nobody waits.
  const std::vector<std::byte> block(10'000);
  while (ends.first.send(block, Deadline::now())) {
  }
  for (const auto* end : {&ends.first, &ends.second}) {
    const auto now = end->statistics();
    EXPECT_EQ(now.waits_sending, 0U);
    EXPECT_EQ(now.waits_receiving, 0U);
    EXPECT_EQ(now.wake_ups_sent, 0U);
    EXPECT_EQ(now.wake_ups_received, 0U);
  }
}

TEST_P(CountedWaits, ASleepOfTheReceiverCountsOnce) {
  auto ends = connect_ends();
  std::thread receiving([&] { EXPECT_TRUE(ends.second.receive(kPatience)); });
  await(ends.second, &Statistics::waits_receiving, 1);
  EXPECT_TRUE(ends.first.send(sluice::as_bytes("one"), kPatience));
  receiving.join();
  const auto receiver = ends.second.statistics();
  const auto sender = ends.first.statistics();
  if (moves_whole_messages()) {
    EXPECT_EQ(receiver.waits_receiving, 1U);
    EXPECT_EQ(receiver.wake_ups_received, 1U);
  } else {
    EXPECT_GE(receiver.waits_receiving, receiver.wake_ups_received);
    EXPECT_GE(receiver.wake_ups_received, 1U);
  }
  EXPECT_EQ(receiver.waits_sending, 0U);
  EXPECT_EQ(receiver.wake_ups_sent, 0U);
  EXPECT_EQ(sender.waits_receiving, 0U);
  EXPECT_EQ(sender.wake_ups_sent, is_region() ? 1U : 0U) << "elsewhere the system does it, and tells nobody";
  // Nothing has come: a sleep, and no wake-up.
  EXPECT_FALSE(ends.second.receive(1ms));
  EXPECT_EQ(ends.second.statistics().waits_receiving, receiver.waits_receiving + 1);
  EXPECT_EQ(ends.second.statistics().wake_ups_received, receiver.wake_ups_received);
}

TEST_P(CountedWaits, ASleepOfTheSenderIsItsOwn) {
  auto ends = connect_ends();
  const std::vector<std::byte> block(10'000);
  std::uint64_t sent = 1;
  while (ends.first.send(block, Deadline::now())) ++sent;
  std::thread sending([&] { EXPECT_TRUE(ends.first.send(block, kPatience)); });
  await(ends.first, &Statistics::waits_sending, 1);
  EXPECT_EQ(ends.first.statistics().wake_ups_received, 0U);
  for (std::uint64_t i = 0; i < sent; ++i) ASSERT_TRUE(ends.second.receive(kPatience));
  sending.join();
  const auto sender = ends.first.statistics();
  EXPECT_GE(sender.waits_sending, 1U);
  EXPECT_EQ(sender.waits_receiving, 0U);
  EXPECT_GE(sender.wake_ups_received, 1U);
  EXPECT_GE(ends.second.statistics().wake_ups_sent, is_region() ? 1U : 0U);
}

TEST_P(CountedWaits, StayAfterTheEnd) {
  auto ends = connect_ends();
  std::thread receiving([&] {
    EXPECT_TRUE(ends.second.receive(kPatience));
    EXPECT_FALSE(ends.second.receive(kPatience));
  });
  await(ends.second, &Statistics::waits_receiving, 1);
  EXPECT_TRUE(ends.first.send(sluice::as_bytes("one"), kPatience));
  EXPECT_TRUE(ends.first.close(kPatience));
  receiving.join();
  EXPECT_TRUE(ends.second.close(kPatience));
  EXPECT_GE(ends.first.statistics().wake_ups_sent, is_region() ? 1U : 0U);
  EXPECT_GE(ends.second.statistics().waits_receiving, 1U);
  EXPECT_GE(ends.second.statistics().wake_ups_received, 1U);
}

INSTANTIATE_TEST_SUITE_P(Inproc, CountedWaits, sluice_test::every_shape(), sluice_test::name_of_shape);

// A channel that is tried costs its peer no rings; one that is armed costs one, which the next arm() finds.
TEST(CountedWaitsOfALoop, AnArmedRingIsRungOnce) {
  if (sluice::links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  auto ends = sluice_test::connect_ends("?link=region");
  ASSERT_EQ(ends.second.arm(sluice::Want::message).value(), sluice::Readiness::armed);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ends.first.send(sluice::as_bytes("one"), kPatience));
  EXPECT_EQ(ends.first.statistics().wake_ups_sent, 1U) << "who was woken need not be woken again";
  pollfd look{static_cast<int>(ends.second.waitable().value().native), POLLIN, 0};
  EXPECT_EQ(::poll(&look, 1, 10'000), 1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ends.second.receive(Deadline::now()));
  ASSERT_EQ(ends.second.arm(sluice::Want::message).value(), sluice::Readiness::armed);
  const auto woken = ends.second.statistics();
  EXPECT_EQ(woken.wake_ups_received, 1U);
  EXPECT_EQ(woken.waits_receiving, 0U) << "the loop sleeps elsewhere";
}

}  // namespace
