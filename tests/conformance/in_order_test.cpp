// Promise 2: in order, exactly once, while both ends live.
#include "conformance.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(InOrder, 2);

TEST_P(InOrder, ManySmallMessagesBothWaysAtOnce) {
  auto pair = meet();
  constexpr std::uint64_t kLimit = 512;
  const std::uint64_t count = affordable(scaled(50'000, 100) * kLimit, 3) / kLimit;
  note("messages_each_way", count);
  const std::string words = " count=" + std::to_string(count) + " mixed=" + std::to_string(kLimit);
  const auto receiving = pair.peer->start("receive stream=1" + words, "receive");
  const auto sending = pair.peer->start("send stream=2" + words, "send");
  // One thread sends while another receives, at both ends.
  std::thread sender([&] { send(pair.channel, stream({0, kLimit}, 1), 0, count); });
  receive(pair.channel, stream({0, kLimit}, 2), 0, count);
  sender.join();
  EXPECT_DONE(pair.peer->finish(receiving));
  EXPECT_DONE(pair.peer->finish(sending));
  // Exactly once: nothing more is there.
  EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::would_block);
  EXPECT_FAILED(pair.peer->call("receive deadline=now"), Errc::would_block);
}

TEST_P(InOrder, MixedSizesUpToSeveralMebibytes) {
  auto pair = meet(PeerDoes::listen);
  constexpr std::uint64_t kLargest = 3 << 20;
  const std::uint64_t limit = std::min<std::uint64_t>(kLargest, affordable(kLargest, 0.1));
  const std::uint64_t count = scaled(400, 50);
  note("messages", count);
  const std::string words = " count=" + std::to_string(count) + " mixed=" + std::to_string(limit);
  const auto receiving = pair.peer->start("receive" + words);
  send(pair.channel, stream({0, limit}), 0, count);
  EXPECT_DONE(pair.peer->finish(receiving));
  const auto sending = pair.peer->start("send" + words);
  receive(pair.channel, stream({0, limit}), 0, count);
  EXPECT_DONE(pair.peer->finish(sending));
}

TEST_P(InOrder, PingPong) {
  auto pair = meet();
  const std::uint64_t count = scaled(2000, 100);
  for (std::uint64_t number = 0; number < count; ++number) {
    const std::string words = " size=40 first=" + std::to_string(number);
    ASSERT_OK(stream({40}).send(pair.channel, number, soon()));
    ASSERT_DONE(pair.peer->call("receive" + words));
    ASSERT_DONE(pair.peer->call("send" + words));
    receive(pair.channel, stream({40}), number, 1);
    ASSERT_FALSE(HasFailure());
  }
}

TEST_P(InOrder, HeldMessagesKeepTheirBytesWhileMoreArrive) {
  auto pair = meet();
  constexpr std::uint64_t kHeld = 8;
  constexpr std::size_t kSize = 3000;
  const std::uint64_t count = affordable(std::uint64_t{4} << 20, 1) / kSize;
  const Stream fixed = stream({kSize});
  const auto sending = pair.peer->start("send count=" + std::to_string(kHeld + count) + " size=" + std::to_string(kSize));
  std::vector<sluice::Message> held;
  for (std::uint64_t number = 0; number < kHeld; ++number) {
    auto message = pair.channel.receive(soon());
    ASSERT_OK(message);
    held.push_back(*std::move(message));
  }
  // Every second one is let go, newest first; the others must not change while the rest comes through.
  for (std::uint64_t at = kHeld; at-- > 0;)
    if (at % 2 == 1) held[at] = {};
  std::uint64_t received = 0;
  while (received < count) {
    const auto message = pair.channel.receive(soon());
    if (!message && message.error().code == Errc::held) break;  // a ring gives room back in order
    ASSERT_OK(message);
    ASSERT_EQ(fixed.wrong(kHeld + received, message->bytes()), "");
    ++received;
  }
  for (std::uint64_t at = 0; at < kHeld; at += 2) EXPECT_EQ(fixed.wrong(at, held[at].bytes()), "");
  held.clear();
  receive(pair.channel, fixed, kHeld + received, count - received);
  EXPECT_DONE(pair.peer->finish(sending));
}

TEST_P(InOrder, AMessageOutlivesItsChannel) {
  sluice::Message kept;
  const Stream fixed = stream({5000});
  {
    auto pair = meet();
    const auto sending = pair.peer->start("send size=5000");
    auto message = pair.channel.receive(soon());
    ASSERT_OK(message);
    kept = *std::move(message);
    EXPECT_DONE(pair.peer->finish(sending));
    pair.peer->call("destroy");
  }
  EXPECT_EQ(fixed.wrong(0, kept.bytes()), "");
}

TEST_P(InOrder, FlushReturnsWhenThePeerHasReceivedEverything) {
  auto pair = meet();
  const std::uint64_t count = few();
  send(pair.channel, stream({100}), 0, count);
  EXPECT_CODE(pair.channel.flush(50ms), Errc::timed_out);
  EXPECT_EQ(pair.channel.statistics().known_taken, 0U);
  const auto receiving = pair.peer->start("receive size=100 deadline=10000 count=" + std::to_string(count + 1));
  EXPECT_OK(pair.channel.flush(soon()));
  const auto counted = pair.channel.statistics();
  EXPECT_EQ(counted.messages_sent, count);
  EXPECT_EQ(counted.known_taken, count);
  EXPECT_EQ(counted.unknown, 0U);
  EXPECT_EQ(counted.bytes_sent, count * 100);
  send(pair.channel, stream({100}), count, 1);
  EXPECT_DONE(pair.peer->finish(receiving));
  const Reply theirs = pair.peer->call("statistics");
  EXPECT_EQ(theirs.number("messages_received"), count + 1);
  EXPECT_EQ(theirs.number("bytes_received"), (count + 1) * 100);
}

}  // namespace
}  // namespace sluice_test
