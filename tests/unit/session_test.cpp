// The session's own rules, over inproc in all its shapes: what a reading of the code once found wrong, and what two processes
// are not needed for.
#include <gtest/gtest.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <sluice/sluice.hpp>
#include <string>
#include <thread>
#include <vector>

#include "links/mechanism.hpp"
#include "support/sanitizers.hpp"
#include "unit/connected_ends.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::Channel;
using sluice::Deadline;
using sluice::Errc;
using sluice_test::connect_ends;
using sluice_test::kPatience;

class Session : public sluice_test::OverShapes {};

TEST_P(Session, OneThatOnlySendsHearsThatItsPeerCloses) {
  auto ends = connect_ends(GetParam());
  Errc ended{};
  std::thread sending([&] {
    while (true) {
      if (auto sent = ends.first.send(sluice::as_bytes("frame"), kPatience); !sent) {
        ended = sent.error().code;
        return;
      }
    }
  });
  EXPECT_TRUE(ends.second.close(kPatience));
  sending.join();
  EXPECT_EQ(ended, Errc::closed);
}

// The answer to a goodbye is stuck behind what fills the link; whoever hears the goodbye gives it before it returns `closed`.
TEST_P(Session, AGoodbyeIsAnsweredThroughALinkThatWasFull) {
  auto ends = connect_ends(GetParam());
  constexpr int kMostSends = 1 << 20;
  int sends = 0;
  while (sends < kMostSends && ends.first.send(sluice::as_bytes("frame"), Deadline::now())) ++sends;
  ASSERT_LT(sends, kMostSends);
  sluice::Result<void> closed = Errc::timed_out;
  std::thread closing([&] { closed = ends.second.close(kPatience); });
  const auto message = ends.first.receive(kPatience);  // and no call after this one
  closing.join();
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code, Errc::closed);
  EXPECT_TRUE(closed);
}

TEST_P(Session, FinishArrivesHoweverLittleTheLinkTakes) {
  auto ends = connect_ends(GetParam());
  std::thread receiving([&] {
    const auto message = ends.second.receive(kPatience);
    EXPECT_FALSE(message);
    EXPECT_EQ(message.error().code, Errc::closed);
    EXPECT_TRUE(ends.second.close(kPatience));
  });
  EXPECT_TRUE(ends.first.finish(kPatience));
  EXPECT_TRUE(ends.first.close(kPatience));
  receiving.join();
}

TEST_P(Session, CloseThatOnlyTriesSaysGoodbyeAlthoughAnotherThreadWaits) {
  auto ends = connect_ends(GetParam());
  std::thread waiting([&] {
    const auto message = ends.first.receive(kPatience);
    EXPECT_FALSE(message);
    EXPECT_EQ(message.error().code, Errc::closed);
  });
  (void)ends.first.close(Deadline::now());  // whether the peer has it yet is not known: that is no matter here
  waiting.join();
  const auto message = ends.second.receive(kPatience);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code, Errc::closed);
}

TEST_P(Session, TwoFullEndsThatCloseAtTheSameTimeBothSucceed) {
  auto ends = connect_ends(GetParam());
  const std::vector<std::byte> bytes(5000);
  while (ends.first.send(bytes, Deadline::now())) {
  }
  while (ends.second.send(bytes, Deadline::now())) {
  }
  std::thread closing([&] { EXPECT_TRUE(ends.first.close(kPatience)); });
  EXPECT_TRUE(ends.second.close(kPatience));
  closing.join();
}

TEST_P(Session, FinishThatAFlushReadsWakesTheReceiver) {
  auto ends = connect_ends(GetParam());
  ASSERT_TRUE(ends.first.send(sluice::as_bytes("kept"), kPatience));
  std::thread receiving([&] {
    const auto message = ends.first.receive(kPatience);
    EXPECT_FALSE(message);
    EXPECT_EQ(message.error().code, Errc::closed);
  });
  std::thread flushing([&] { (void)ends.first.flush(kPatience); });
  EXPECT_TRUE(ends.second.finish(kPatience));
  receiving.join();
  EXPECT_TRUE(ends.second.receive(kPatience));
  EXPECT_FALSE(ends.second.receive(1ms));  // answers the flush
  flushing.join();
}

// After its finish a peer may still ask, or say goodbye: whoever receives hears it, however often it was told `closed` already.
TEST_P(Session, APeerThatHasFinishedIsStillHeard) {
  auto ends = connect_ends(GetParam());
  ASSERT_TRUE(ends.first.send(sluice::as_bytes("last"), kPatience));
  ASSERT_TRUE(ends.first.finish(kPatience));
  ASSERT_TRUE(ends.second.receive(kPatience));
  const auto end = ends.second.receive(kPatience);
  ASSERT_FALSE(end);
  ASSERT_EQ(end.error().code, Errc::closed);
  std::atomic<bool> is_over{false};
  std::thread receiving([&] {
    while (!is_over) (void)ends.second.receive(1ms);
  });
  EXPECT_TRUE(ends.first.flush(kPatience));
  EXPECT_TRUE(ends.first.close(kPatience));
  is_over = true;
  receiving.join();
}

// The peer's goodbye lies behind more messages than one try of close() discards.
TEST_P(Session, CloseFindsAGoodbyeBehindManyMessages) {
  auto ends = connect_ends(GetParam());
  constexpr int kMost = 20'000;
  for (int sent = 0; sent < kMost && ends.first.send(sluice::as_bytes("left"), Deadline::now()); ++sent) {
  }
  std::thread closing([&] { EXPECT_TRUE(ends.first.close(kPatience)); });
  EXPECT_TRUE(ends.second.close(kPatience));
  closing.join();
}

TEST_P(Session, FlushEndsWhenThePeerHasSentMuchAndClosed) {
  auto ends = connect_ends(GetParam());
  ASSERT_TRUE(ends.first.send(sluice::as_bytes("unread"), kPatience));
  for (int sent = 0; sent < 100 && ends.second.send(sluice::as_bytes("more"), Deadline::now()); ++sent) {
  }
  {
    const Channel gone = std::move(ends.second);
  }
  const auto flushed = ends.first.flush(kPatience);
  ASSERT_FALSE(flushed);
  EXPECT_TRUE(flushed.error().code == Errc::closed || flushed.error().code == Errc::peer_died) << describe(flushed.error());
}

// What one thread is told must not run ahead of what it has not received yet.
TEST_P(Session, NoEndIsToldBeforeTheMessagesInFrontOfIt) {
  for (int round = 0; round < 50; ++round) {
    auto ends = connect_ends(GetParam());
    std::thread sending([&] {
      while (ends.first.send(sluice::as_bytes("x"), 1ms)) {
      }
      (void)ends.first.flush(1ms);
    });
    int received = 0;
    std::thread receiving([&] {
      while (true) {
        const auto message = ends.first.receive(Deadline::now());
        if (message) ++received;
        if (!message && message.error().code != Errc::would_block) return;
      }
    });
    int sent = 0;
    while (sent < 3 && ends.second.send(sluice::as_bytes("y"), kPatience)) ++sent;
    const auto closed = ends.second.close(kPatience);
    EXPECT_TRUE(closed) << describe(closed.error());
    receiving.join();
    sending.join();
    ASSERT_EQ(received, sent);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Session, sluice_test::every_shape(), sluice_test::name_of_shape);

// The goodbye of a peer that has gone lies behind more than one look at the link brings, which reads a byte at a time.
TEST(SessionStream, CloseFindsTheGoodbyeOfAPeerThatHasGone) {
  if (sluice::links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  auto ends = connect_ends("?link=stream&chop=1");
  const std::vector<std::byte> message(900);
  ASSERT_TRUE(ends.first.send(message, kPatience));
  {
    const Channel gone = std::move(ends.first);
  }
  const auto closed = ends.second.close(kPatience);
  EXPECT_TRUE(closed) << describe(closed.error());
}

TEST(SessionRing, AMessageOf64MiBFitsWhateverTheRingMeasures) {
  if (sluice::links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  auto ends = connect_ends("?link=region&capacity=256M");
  const std::vector<std::byte> bytes(std::size_t{64} << 20, std::byte{7});
  std::thread receiving([&] {
    const auto message = ends.second.receive(kPatience);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->bytes().size(), bytes.size());
  });
  EXPECT_TRUE(ends.first.send(bytes, kPatience));
  receiving.join();
}

// Laps that stay short let positions run 16,384 times faster than the bytes: past 2^31 and 2^32 units in a moment, with nothing
// coming back but what the consumer's line says.
TEST(SessionRing, PositionsPassTheRangeOfTheirNumbers) {
  if (SLUICE_TEST_UNDER_TSAN) GTEST_SKIP() << "ThreadSanitizer takes 20 s to allocate the region";
  if (sluice::links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  constexpr int kMessages = 2000;
  auto ends = connect_ends("?link=region&capacity=1G&backed=0");
  std::thread receiving([&] {
    for (int i = 0; i < kMessages; ++i) {
      const auto message = ends.second.receive(kPatience);
      ASSERT_TRUE(message) << "message " << i;
      ASSERT_EQ(std::to_integer<int>(message->bytes()[0]), i % 256);
    }
  });
  std::vector<std::byte> bytes(4096);
  for (int i = 0; i < kMessages; ++i) {
    bytes[0] = static_cast<std::byte>(i % 256);
    ASSERT_TRUE(ends.first.send(bytes, kPatience)) << "message " << i;
  }
  receiving.join();
}

// Two ends that hold what they received, and both wait for room: they wake each other once, not for ever.
TEST(SessionRing, TwoBlockedSendersSleep) {
  if (sluice::links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  auto ends = connect_ends("?link=region&capacity=64K");
  const std::vector<std::byte> bytes(30'000);
  const auto fill = [&](Channel& channel) {
    while (channel.send(bytes, Deadline::now())) {
    }
    EXPECT_EQ(channel.send(bytes, 300ms).error().code, Errc::timed_out);
  };
  timespec before{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  std::thread other([&] { fill(ends.second); });
  fill(ends.first);
  other.join();
  timespec after{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const double used =
      static_cast<double>(after.tv_sec - before.tv_sec) + 1e-9 * static_cast<double>(after.tv_nsec - before.tv_nsec);
  EXPECT_LT(used, 0.15) << "seconds of processor time, for two sleeps of 0.3 s";
}

// The sender's tail has gone: who still holds a message is not told that it keeps anybody waiting.
TEST(SessionRing, HeldIsNotToldWhenNobodyWaitsForRoomAnyLonger) {
  if (sluice::links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  auto ends = connect_ends("?link=region&capacity=64K");
  const std::vector<std::byte> front(30'000);
  const std::vector<std::byte> small(100);
  const std::vector<std::byte> big(40'000);
  ASSERT_TRUE(ends.first.send(front, kPatience));
  ASSERT_TRUE(ends.first.send(small, kPatience));
  ASSERT_TRUE(ends.first.send(big, 50ms));  // leaves a tail
  std::thread waiting([&] { (void)ends.first.receive(kPatience); });
  auto first = ends.second.receive(kPatience);
  ASSERT_TRUE(first);
  {
    const auto let_go = *std::move(first);
  }
  const auto kept = ends.second.receive(kPatience);
  ASSERT_TRUE(kept);
  ASSERT_TRUE(ends.second.receive(kPatience));
  const auto nothing = ends.second.receive(100ms);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, Errc::timed_out) << describe(nothing.error());
  ASSERT_TRUE(ends.second.send(small, kPatience));
  waiting.join();
}

TEST(SessionRing, StatisticsTellWhatTheRingSaysWasTaken) {
  if (sluice::links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  auto ends = connect_ends("?link=region");
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(ends.first.send(sluice::as_bytes("one"), kPatience));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(ends.second.receive(kPatience));
  const auto now = ends.first.statistics();
  EXPECT_EQ(now.known_taken, 5U);
  EXPECT_EQ(now.unknown, 3U);
}

}  // namespace
