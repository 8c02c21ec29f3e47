// Promises 2 and 11 for those who wait elsewhere: a channel and a listener in an event loop, the other end in another process.
#include <array>
#include <sluice/wait_set.hpp>

#include "asleep.hpp"
#include "conformance.hpp"

namespace sluice_test {
namespace {

using sluice::Event;
using sluice::WaitSet;
using sluice::Want;

SLUICE_PROMISE(InALoopInOrder, 2);
SLUICE_PROMISE(InALoopIdleIsFree, 11);

// One thread sends whenever there is room, and receives whenever there is a message; the peer does one after the other.
TEST_P(InALoopInOrder, OneThreadSendsAndReceives) {
  constexpr std::uint64_t kLimit = 1000;
  const std::uint64_t count = affordable(scaled(20'000, 100) * kLimit, 1) / kLimit;
  auto pair = meet();
  const Stream outgoing = stream({0, kLimit});
  const Stream incoming = stream({0, kLimit}, 1);
  const std::string words = " count=" + std::to_string(count) + " mixed=" + std::to_string(kLimit);
  const auto sending = pair.peer->start("send stream=1" + words, "send");
  const auto receiving = pair.peer->start("receive" + words, "receive");
  auto set = WaitSet::create().value();
  ASSERT_OK(set.add(pair.channel, 1, Want::message | Want::room));
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  while (sent < count || received < count) {
    std::array<Event, 2> events;
    const auto waited = set.wait(events, soon());
    ASSERT_OK(waited);
    ASSERT_EQ(*waited, 1U);
    ASSERT_FALSE(events[0].ended);
    if (events[0].message) {
      const auto message = pair.channel.receive(Deadline::now());
      ASSERT_OK(message);
      ASSERT_EQ(incoming.wrong(received++, message->bytes()), "");
    }
    if (events[0].room && sent < count && outgoing.send(pair.channel, sent, Deadline::now())) ++sent;
    if (sent == count) {
      ASSERT_OK(set.change(pair.channel, Want::message));
    }
  }
  ASSERT_OK(pair.channel.finish(soon()));  // moves the rest of the last message, too
  EXPECT_DONE(pair.peer->finish(receiving));
  EXPECT_DONE(pair.peer->finish(sending));
  note("messages", count);
}

TEST_P(InALoopIdleIsFree, WhileASetWaits) {
  if (under_thread_sanitizer()) GTEST_SKIP() << "ThreadSanitizer's own thread wakes up";
  auto listener = listen_if_possible();
  auto& peer = start_peer();
  Pair pair = meet_at(listener, peer);
  // Some traffic first, so that whatever wakes up after it has reason to.
  const auto receiving = peer.start("receive size=100 count=20");
  send(pair.channel, stream({100}), 0, 20);
  EXPECT_DONE(peer.finish(receiving));
  auto set = WaitSet::create().value();
  if (listener) {
    ASSERT_OK(set.add(*listener, 2));
  }
  ASSERT_OK(set.add(pair.channel, 1, Want::message));
  std::array<Event, 2> events;
  std::size_t found = 0;
  std::thread waiting([&] { found = set.wait(events).value_or(0); });
  std::vector<pid_t> processes{getpid()};
  if (peer.is_own_process()) processes.push_back(peer.pid());
  EXPECT_EQ(what_is_awake(processes), "");
  EXPECT_DONE(peer.call("send size=60"));
  waiting.join();
  ASSERT_EQ(found, 1U);
  EXPECT_EQ(events[0].key, 1U);
  EXPECT_TRUE(events[0].message);
  receive(pair.channel, stream({60}), 0, 1);
}

}  // namespace
}  // namespace sluice_test
