// Promise 11: a channel on which nothing happens causes no wake-ups, on either side.
#include "asleep.hpp"
#include "conformance.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(IdleIsFree, 11);

#define SKIP_UNDER_THREAD_SANITIZER() \
  if (under_thread_sanitizer()) GTEST_SKIP() << "ThreadSanitizer's own thread wakes up"

std::vector<pid_t> processes_of(const Peer& peer) {
  std::vector<pid_t> processes{getpid()};
  if (peer.is_own_process()) processes.push_back(peer.pid());
  return processes;
}

TEST_P(IdleIsFree, WhileBothEndsReceive) {
  SKIP_UNDER_THREAD_SANITIZER();
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    // Some traffic first, so that whatever wakes up after it has reason to.
    const auto echo = pair.peer->start("receive size=100 count=20");
    send(pair.channel, stream({100}), 0, 20);
    EXPECT_DONE(pair.peer->finish(echo));
    const auto receiving = pair.peer->start("receive size=50 first=20");
    std::thread receiver([&] {
      const auto message = pair.channel.receive();
      ASSERT_OK(message);
      EXPECT_EQ(stream({60}).wrong(0, message->bytes()), "");
    });
    EXPECT_EQ(what_is_awake(processes_of(*pair.peer)), "");
    // One message must still get through, each way.
    send(pair.channel, stream({50}), 20, 1);
    EXPECT_DONE(pair.peer->finish(receiving));
    EXPECT_DONE(pair.peer->call("send size=60"));
    receiver.join();
  }
}

TEST_P(IdleIsFree, WhileASenderWaitsForRoom) {
  SKIP_UNDER_THREAD_SANITIZER();
  auto pair = meet();
  const std::uint64_t sent = fill_up(pair.channel, stream({20'000}));
  std::thread sender([&] { EXPECT_OK(stream({20'000}).send(pair.channel, sent, Deadline::never())); });
  EXPECT_EQ(what_is_awake(processes_of(*pair.peer)), "");
  EXPECT_DONE(pair.peer->call("receive size=20000 count=" + std::to_string(sent + 1)));
  sender.join();
}

TEST_P(IdleIsFree, WhileFlushAndCloseWaitForThePeer) {
  SKIP_UNDER_THREAD_SANITIZER();
  auto pair = meet();
  send(pair.channel, stream({100}), 0, 1);
  std::thread flusher([&] { EXPECT_OK(pair.channel.flush()); });
  EXPECT_EQ(what_is_awake(processes_of(*pair.peer)), "");
  auto receiving = pair.peer->start("receive size=100 count=2");
  flusher.join();
  send(pair.channel, stream({100}), 1, 1);
  EXPECT_DONE(pair.peer->finish(receiving));
  std::thread closer([&] { EXPECT_OK(pair.channel.close()); });
  EXPECT_EQ(what_is_awake(processes_of(*pair.peer)), "");
  EXPECT_FAILED(pair.peer->call("receive"), Errc::closed);
  closer.join();
}

// A look at whether there is something wakes nobody, and who sleeps is woken once.
TEST_P(IdleIsFree, TriesCostNoWakeUpsAndASleepCountsOnce) {
  auto pair = meet();
  const auto messages = stream({60});
  for (int i = 0; i < 20; ++i) EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::would_block);
  EXPECT_FAILED(pair.peer->call("receive size=60 deadline=now"), Errc::would_block);
  EXPECT_OK(messages.send(pair.channel, 0, Deadline::now()));
  auto ours = pair.channel.statistics();
  auto theirs = pair.peer->call("statistics");
  EXPECT_EQ(ours.waits_sending + ours.waits_receiving + ours.wake_ups_sent + ours.wake_ups_received, 0U);
  for (const auto* counter : {"waits_sending", "waits_receiving", "wake_ups_sent", "wake_ups_received"})
    EXPECT_EQ(theirs.number(counter), 0U) << counter;

  EXPECT_DONE(pair.peer->call("receive size=60"));
  const auto waits_before = pair.peer->call("statistics").number("waits_receiving");
  const auto woken_before = pair.peer->call("statistics").number("wake_ups_received");
  const auto receiving = pair.peer->start("receive size=60 first=1");
  const auto until = Clock::now() + patience();
  while (pair.peer->call("statistics", "looking").number("waits_receiving") == waits_before) ASSERT_LT(Clock::now(), until);
  EXPECT_OK(messages.send(pair.channel, 1, soon()));
  EXPECT_DONE(pair.peer->finish(receiving));
  theirs = pair.peer->call("statistics");
  ours = pair.channel.statistics();
  EXPECT_GE(theirs.number("wake_ups_received"), woken_before + 1);
  if (subject().bytes_a_second == 0) {  // else it comes in parts
    EXPECT_EQ(theirs.number("waits_receiving"), waits_before + 1);
    EXPECT_EQ(theirs.number("wake_ups_received"), woken_before + 1);
  }
  EXPECT_EQ(theirs.number("waits_sending"), 0U);
  EXPECT_EQ(ours.waits_sending + ours.waits_receiving, 0U);
  const bool is_region = pair.channel.traits().shape == sluice::Shape::region;
  EXPECT_EQ(ours.wake_ups_sent, is_region ? 1U : 0U);
}

TEST_P(IdleIsFree, WhileAListenerAcceptsAndAClientWaitsForIt) {
  if (answered_without_names()) return;
  SKIP_UNDER_THREAD_SANITIZER();
  auto listener = listen();
  auto& peer = start_peer();
  std::optional<sluice::Result<Channel>> accepted;
  {
    std::thread acceptor([&] { accepted.emplace(listener.accept()); });
    EXPECT_EQ(what_is_awake(processes_of(peer)), "");
    EXPECT_DONE(peer.call("connect"));
    acceptor.join();
    ASSERT_OK(*accepted);
  }
  // Nobody runs accept: the client sleeps until somebody does.
  const auto connecting = peer.start("connect channel=second");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(what_is_awake(processes_of(peer)), "");
  EXPECT_OK(listener.accept(soon()));
  EXPECT_DONE(peer.finish(connecting));
}

TEST_P(IdleIsFree, WithUnfinishedHandshakesInTheListener) {
  if (answered_without_names()) return;
  SKIP_UNDER_THREAD_SANITIZER();
  if (stays_in_one_process()) return answer_one_process();
  auto listener = listen();
  // A stopped client has connected and says nothing. Its handshake has a deadline of its own: that may be waited for, once.
  auto& silent = start_peer();
  silent.start("connect");
  std::this_thread::sleep_for(50ms);
  silent.stop();
  std::optional<sluice::Result<Channel>> accepted;
  std::thread acceptor([&] { accepted.emplace(listener.accept()); });
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(what_wakes_up({getpid()}), "");
  auto& good = start_peer();
  EXPECT_DONE(good.call("connect deadline=10000"));
  acceptor.join();
  ASSERT_OK(*accepted);
  EXPECT_EQ((*accepted)->peer().process_id.value_or(good.pid()), good.pid());
  silent.kill();
}

}  // namespace
}  // namespace sluice_test
