// Promise 6: a peer that dies leaves the whole messages that it sent before, then peer_died; nothing hangs, and the next
// connection on the same endpoint works at once.
#include "death.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(Death, 6);

class KilledPeer : public DeathTest {};
INSTANTIATE_TEST_SUITE_P(Promise6, KilledPeer, testing::ValuesIn(subjects()), label_of);

TEST_P(Death, OfALinkWithoutGoodbyeLeavesWholeMessagesThenPeerDied) {
  // In any number of processes: an end whose destructor has to leave a message half sent says no goodbye.
  const std::size_t size = affordable(std::size_t{16} << 20, 1);
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    EXPECT_DONE(pair.peer->call("send size=300 count=" + std::to_string(few())));
    EXPECT_DONE(pair.peer->call("send deadline=100 size=" + std::to_string(size)));
    EXPECT_FAILED(pair.peer->call("send deadline=50 size=1"), Errc::timed_out);
    EXPECT_DONE(pair.peer->call("destroy"));
    receive(pair.channel, stream({kSmall}), 0, few());
    EXPECT_CODE(pair.channel.receive(soon()), Errc::peer_died);
    EXPECT_CODE(pair.channel.receive(soon()), Errc::peer_died);
    EXPECT_CODE(pair.channel.send({}, soon()), Errc::peer_died);
    ASSERT_TRUE(pair.channel.ended());
    EXPECT_EQ(pair.channel.ended()->code, Errc::peer_died);
  }
}

TEST_P(KilledPeer, WhileIdle) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    if (answered()) return;
    auto pair = meet(what);
    pair.peer->kill();
    expect_death(pair);
    meet_again(what);
  }
}

// An event loop is told, whatever it waits for; the messages in front of the end come first.
TEST_P(KilledPeer, WhileAnEventLoopWaits) {
  using sluice::Want;
  for (const auto want : {Want::message, Want::room, Want::nothing}) {
    if (answered()) return;
    auto pair = meet();
    auto set = sluice::WaitSet::create().value();
    fill_up(pair.channel, stream({3000}));  // no room, so that nothing but the death is to be told
    const bool receives = want == Want::message;
    ASSERT_OK(set.add(pair.channel, 5, want));
    std::array<sluice::Event, 2> events;
    EXPECT_CODE(set.wait(events, 10ms), Errc::timed_out);
    EXPECT_DONE(pair.peer->call("send size=300"));
    pair.peer->kill();
    for (bool has_ended = false; !has_ended;) {
      const auto waited = set.wait(events, soon());
      ASSERT_OK(waited);
      ASSERT_EQ(*waited, 1U);
      has_ended = events[0].ended;
      if (events[0].message) receive(pair.channel, stream({kSmall}), 0, 1);
    }
    if (!receives) receive(pair.channel, stream({kSmall}), 0, 1);
    expect_death(pair);
    meet_again(PeerDoes::connect);
  }
}

// A loop that wants no message reads ahead what it can, and is told of a death behind more than that.
TEST_P(KilledPeer, BehindMoreMessagesThanALoopReadsAhead) {
  if (answered()) return;
  auto pair = meet();
  auto set = sluice::WaitSet::create().value();
  ASSERT_OK(set.add(pair.channel, 5, sluice::Want::nothing));
  std::array<sluice::Event, 2> events;
  // More than the 64 that are read ahead, where they fit; not as many as fill a TCP connection, whose end would be behind them.
  const std::uint64_t sent = pair.peer->call("send size=1000 count=100 deadline=50").number("sent");
  EXPECT_CODE(set.wait(events, 10ms), Errc::timed_out);
  note("messages_in_flight", sent);
  pair.peer->kill();
  const auto waited = set.wait(events, soon());
  ASSERT_OK(waited);
  ASSERT_EQ(*waited, 1U);
  EXPECT_TRUE(events[0].ended);
  expect_sent_then_death(pair, stream({1000}), sent, 0);
  meet_again(PeerDoes::connect);
}

TEST_P(KilledPeer, WithMessagesInFlight) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    if (answered()) return;
    auto pair = meet(what);
    const std::uint64_t sent = fill(pair, 1000);
    pair.peer->kill();
    // It has read all that came to it, so there is no reset. The last one may have been half in the channel, half a tail.
    expect_sent_then_death(pair, stream({1000}), sent, sent - 1);
    meet_again(what);
  }
}

// Nothing of a message that was being written in place is seen.
TEST_P(KilledPeer, WithALoanOut) {
  for (const std::size_t size : {std::size_t{64}, std::size_t{3000}, std::size_t{2} << 20}) {
    if (answered()) return;
    auto pair = meet();
    EXPECT_DONE(pair.peer->call("send size=300 count=" + std::to_string(few())));
    EXPECT_DONE(pair.peer->call("loan size=" + std::to_string(size)));
    pair.peer->kill();
    expect_sent_then_death(pair, stream({kSmall}), few(), 0);
    meet_again(PeerDoes::connect);
  }
}

// … nor is our own loan any trouble: it is memory until it is let go, and its commit tells.
TEST_P(KilledPeer, WhileThisSideHasALoan) {
  for (const std::size_t size : {std::size_t{64}, std::size_t{2} << 20}) {
    if (answered()) return;
    auto pair = meet();
    auto loan = pair.channel.loan(size, soon());
    ASSERT_OK(loan);
    kill_and_wait(*pair.peer);
    std::ranges::fill(loan->bytes(), std::byte{1});
    EXPECT_CODE(pair.channel.receive(soon()), Errc::peer_died);
    std::ranges::fill(loan->bytes(), std::byte{2});
    EXPECT_CODE(loan->commit(), Errc::peer_died);
    meet_again(PeerDoes::connect);
  }
}

TEST_P(KilledPeer, WithUnreadInputOnItsSide) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    if (answered()) return;
    auto pair = meet(what);
    send(pair.channel, stream({kSmall}, 1), 0, few());
    EXPECT_DONE(pair.peer->call("send size=300 count=" + std::to_string(few())));
    pair.peer->kill();
    expect_sent_then_death(pair, stream({kSmall}), few(), 0);
    const auto counted = pair.channel.statistics();
    EXPECT_EQ(counted.messages_sent, few());
    EXPECT_EQ(counted.known_taken, 0U);
    EXPECT_EQ(counted.unknown, few());
    meet_again(what);
  }
}

TEST_P(KilledPeer, WithBothDirectionsFull) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    if (answered()) return;
    auto pair = meet(what);
    fill_up(pair.channel, stream({3000}));
    const std::uint64_t sent = fill(pair, 3000);
    note("messages_in_flight", sent);
    pair.peer->kill();
    expect_sent_then_death(pair, stream({3000}), sent, 0);
    meet_again(what);
  }
}

TEST_P(KilledPeer, HalfWayThroughALargeMessage) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    if (answered()) return;
    auto pair = meet(what);
    EXPECT_DONE(pair.peer->call("send size=1000 count=2"));
    EXPECT_DONE(pair.peer->call("send deadline=100 size=33554432"));  // accepted, most of it a tail
    pair.peer->kill();
    receive(pair.channel, stream({1000}), 0, 2);
    expect_death(pair);
    meet_again(what);
  }
}

TEST_P(KilledPeer, WakesEveryCallThatWaits) {
  const std::vector<std::byte> bytes(100'000);
  const std::function<std::string(Channel&)> calls[] = {
      [](Channel& channel) { return code_of(channel.receive()); },
      [](Channel& channel) { return code_of(channel.receive_into({})); },
      [&](Channel& channel) {
        sluice::Result<void> sent;
        while (sent) sent = channel.send(bytes);
        return code_of(sent);
      },
      [&](Channel& channel) {
        (void)channel.send(bytes, 1s);
        return code_of(channel.flush());
      },
  };
  for (const auto& call : calls) {
    if (answered()) return;
    auto pair = meet();
    std::string code;
    std::thread waiting([&] { code = call(pair.channel); });
    std::this_thread::sleep_for(100ms);  // most likely it waits by now; a kill before that must do as well
    pair.peer->kill();
    waiting.join();
    EXPECT_EQ(code, "peer_died");
  }
}

TEST_P(KilledPeer, LetsCloseReturn) {
  if (answered()) return;
  auto pair = meet();
  send(pair.channel, stream({1000}), 0, 3);
  std::string code;
  std::thread waiting([&] { code = code_of(pair.channel.close()); });
  std::this_thread::sleep_for(100ms);
  pair.peer->kill();
  waiting.join();
  EXPECT_EQ(code, "peer_died");  // what was sent was not received, and close says so
}

TEST_P(KilledPeer, IsKnownToHaveTakenWhatItReceivedBefore) {
  if (answered()) return;
  auto pair = meet();
  send(pair.channel, stream({100}), 0, 4);
  EXPECT_DONE(pair.peer->call("receive size=100 count=4"));
  EXPECT_DONE(pair.peer->call("send size=100"));  // carries the count back
  receive(pair.channel, stream({100}), 0, 1);
  send(pair.channel, stream({100}), 4, 3);
  pair.peer->kill();
  expect_death(pair);
  const auto counted = pair.channel.statistics();
  EXPECT_EQ(counted.messages_sent, 7U);
  EXPECT_EQ(counted.known_taken, 4U);
  EXPECT_EQ(counted.unknown, 3U);
}

TEST_P(KilledPeer, ThatHasForkedAChildWhichLivesOn) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    if (answered()) return;
    auto pair = meet(what);
    EXPECT_DONE(pair.peer->call("send size=1000 count=3"));
    const Reply forked = pair.peer->call("fork-and-sleep");
    ASSERT_DONE(forked);
    pair.peer->kill();
    receive(pair.channel, stream({1000}), 0, 3);
    expect_death(pair);
    meet_again(what);
    EXPECT_EQ(::kill(static_cast<pid_t>(forked.number("child")), SIGKILL), 0) << "the child was to live on";
  }
}

TEST_P(KilledPeer, ThatListensLeavesTheNameFree) {
  if (answered_without_names()) return;
  if (answered()) return;
  auto& peer = start_peer();
  ASSERT_DONE(peer.call("listen"));
  EXPECT_CODE(sluice::listen(endpoint()), Errc::address_in_use);
  kill_and_wait(peer);
  EXPECT_CODE(sluice::connect(endpoint(), 1s), Errc::not_found);
  meet_again(PeerDoes::connect);
}

TEST_P(KilledPeer, ThatListensEndsAWaitingConnect) {
  if (answered_without_names()) return;
  if (answered()) return;
  auto& peer = start_peer();
  ASSERT_DONE(peer.call("listen"));  // and never accepts
  std::string code;
  std::thread waiting([&] { code = code_of(sluice::connect(endpoint(), soon())); });
  std::this_thread::sleep_for(100ms);
  peer.kill();
  waiting.join();
  EXPECT_TRUE(code == "peer_died" || code == "not_found") << code;
  meet_again(PeerDoes::connect);
}

TEST_P(KilledPeer, HalfWayThroughItsHandshakeDisturbsNoListener) {
  if (answered_without_names()) return;
  if (answered()) return;
  auto listener = listen();
  for (int client = 0; client < 3; ++client) {
    auto& dying = start_peer();
    dying.start("connect");
    std::this_thread::sleep_for(20ms * client);
    kill_and_wait(dying);
  }
  auto& peer = start_peer();
  Pair pair{&peer, accept_from(listener, peer)};
  send(pair.channel, stream({10}), 0, 1);
  EXPECT_DONE(peer.call("receive size=10"));
}

}  // namespace
}  // namespace sluice_test
