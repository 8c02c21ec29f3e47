// Promise 5: after close the peer still receives everything that was sent, then closed; finish ends one direction.
#include "conformance.hpp"

namespace sluice_test {
namespace {

class OrderlyClose : public Conformance {
 protected:
  OrderlyClose() : Conformance(5) {}
  [[nodiscard]] std::string sends_few() const { return "send size=300 count=" + std::to_string(few()); }
};
INSTANTIATE_TEST_SUITE_P(Promise5, OrderlyClose, testing::ValuesIn(subjects()), label_of);

constexpr std::uint64_t kCount = 20;
constexpr const char* kReceiveFew = "receive all=1 size=300 deadline=10000";
constexpr const char* kReceiveAll = "receive all=1 size=1000 deadline=10000";

TEST_P(OrderlyClose, ThePeerReceivesEverythingThenClosed) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    const auto receiving = pair.peer->start(kReceiveAll);
    send(pair.channel, stream({1000}), 0, kCount);
    EXPECT_OK(pair.channel.close(soon()));
    const Reply received = pair.peer->finish(receiving);
    EXPECT_DONE(received);
    EXPECT_EQ(received.number("received"), kCount);
    EXPECT_EQ(received.text("code"), "closed");
    // And ever after.
    EXPECT_FAILED(pair.peer->call("receive deadline=now"), Errc::closed);
    EXPECT_EQ(pair.peer->call("ended").text("code"), "closed");
    EXPECT_FAILED(pair.peer->call("send size=10"), Errc::closed);
    EXPECT_CODE(pair.channel.send({}, soon()), Errc::closed);
    EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
  }
}

TEST_P(OrderlyClose, OfThePeer) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    EXPECT_DONE(pair.peer->call(sends_few()));
    const auto closing = pair.peer->start("close deadline=10000");
    receive(pair.channel, stream({kSmall}), 0, few());
    EXPECT_FALSE(pair.channel.ended());
    EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
    ASSERT_TRUE(pair.channel.ended());
    EXPECT_EQ(pair.channel.ended()->code, Errc::closed);
    EXPECT_DONE(pair.peer->finish(closing));
    EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::closed);
  }
}

TEST_P(OrderlyClose, WaitsUntilThePeerHasItOrTheDeadlineHasPassed) {
  auto pair = meet();
  send(pair.channel, stream({kSmall}), 0, few());
  const auto started = Clock::now();
  EXPECT_CODE(pair.channel.close(100ms), Errc::timed_out);  // nobody receives
  EXPECT_LT(Clock::now() - started, 100ms + patience() / 2);
  // The peer still gets what was sent, and the goodbye.
  const Reply received = pair.peer->call(kReceiveFew);
  EXPECT_EQ(received.number("received"), few());
  EXPECT_EQ(received.text("code"), "closed") << received;
  EXPECT_OK(pair.channel.close(soon()));  // a second close returns at once
}

TEST_P(OrderlyClose, WithUnreadInputOnTheClosingSide) {
  auto pair = meet();
  EXPECT_DONE(pair.peer->call(sends_few()));
  const auto receiving = pair.peer->start(kReceiveAll);
  send(pair.channel, stream({1000}), 0, kCount);
  EXPECT_OK(pair.channel.close(soon()));
  const Reply received = pair.peer->finish(receiving);
  EXPECT_EQ(received.number("received"), kCount);
  EXPECT_EQ(received.text("code"), "closed") << received;
}

TEST_P(OrderlyClose, FinishEndsOneDirection) {
  auto pair = meet();
  send(pair.channel, stream({kSmall}), 0, few());
  EXPECT_OK(pair.channel.finish(soon()));
  EXPECT_CODE(pair.channel.send({}, soon()), Errc::misuse);
  const Reply received = pair.peer->call(kReceiveFew);
  EXPECT_EQ(received.number("received"), few());
  EXPECT_EQ(received.text("code"), "closed") << received;
  // The other direction is still there.
  const auto sending = pair.peer->start("send size=1000 count=50");
  receive(pair.channel, stream({1000}), 0, 50);
  EXPECT_DONE(pair.peer->finish(sending));
  EXPECT_DONE(pair.peer->call("finish deadline=5000"));
  EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
  // Both have finished: closing has nothing to wait for but each other's goodbye.
  const auto closing = pair.peer->start("close deadline=10000");
  EXPECT_OK(pair.channel.close(soon()));
  EXPECT_DONE(pair.peer->finish(closing));
}

TEST_P(OrderlyClose, TwoAtOnceBothSucceed) {
  for (int round = 0; round < 20; ++round) {
    auto pair = meet(round % 2 == 0 ? PeerDoes::connect : PeerDoes::listen);
    send(pair.channel, stream({kSmall}), 0, few());
    EXPECT_DONE(pair.peer->call(sends_few()));
    const auto closing = pair.peer->start("close deadline=10000");
    EXPECT_OK(pair.channel.close(soon()));
    EXPECT_DONE(pair.peer->finish(closing));
    ASSERT_FALSE(HasFailure()) << "round " << round;
    EXPECT_EQ(pair.peer->is_own_process() ? pair.peer->end() : 0, 0);
  }
}

TEST_P(OrderlyClose, ByTheDestructor) {
  auto& peer = start_peer();
  {
    auto pair = meet(peer, PeerDoes::connect);
    send(pair.channel, stream({kSmall}), 0, few());
  }
  const Reply received = peer.call(kReceiveFew);
  EXPECT_EQ(received.number("received"), few());
  EXPECT_EQ(received.text("code"), "closed") << received;
}

TEST_P(OrderlyClose, OfThePeersDestructorAndAtItsNormalEnd) {
  auto pair = meet(PeerDoes::listen);
  EXPECT_DONE(pair.peer->call(sends_few()));
  EXPECT_DONE(pair.peer->call("destroy"));
  EXPECT_EQ(pair.peer->end(), 0);
  receive(pair.channel, stream({kSmall}), 0, few());
  EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
}

TEST_P(OrderlyClose, AnEndWithoutGoodbyeIsADeath) {
  // The destructor leaves a message half sent: it is dropped whole, and the peer is told.
  const std::size_t size = affordable(std::size_t{16} << 20, 1);
  auto& peer = start_peer();
  std::uint64_t whole = 0;
  {
    auto pair = meet(peer, PeerDoes::connect);
    send(pair.channel, stream({kSmall}), 0, whole = few());
    EXPECT_OK(stream({size}).send(pair.channel, whole, 100ms));  // accepted: its first bytes went out
    EXPECT_CODE(pair.channel.send({}, 50ms), Errc::timed_out);   // but not all
  }
  const Reply received = peer.call(kReceiveFew);
  EXPECT_EQ(received.number("received"), whole);
  EXPECT_EQ(received.text("code"), "peer_died") << received;
}

TEST_P(OrderlyClose, FromAnotherThreadWakesEveryCall) {
  auto pair = meet();
  std::thread receiver([&] { EXPECT_CODE(pair.channel.receive(), Errc::closed); });
  std::thread sender([&] {
    const std::vector<std::byte> bytes(100'000);
    sluice::Result<void> sent;
    while (sent) sent = pair.channel.send(bytes);  // nobody receives: one of them waits
    EXPECT_CODE(sent, Errc::closed);
  });
  std::this_thread::sleep_for(100ms);  // both wait by then, in all likelihood; closing before must do as well
  (void)pair.channel.close(100ms);
  receiver.join();
  sender.join();
}

TEST_P(OrderlyClose, OfAListenerWakesAccept) {
  auto listener = listen();
  std::thread acceptor([&] { EXPECT_CODE(listener.accept(), Errc::closed); });
  std::this_thread::sleep_for(50ms);
  listener.close();
  acceptor.join();
  EXPECT_CODE(listener.accept(Deadline::now()), Errc::closed);
  EXPECT_CODE(sluice::connect(endpoint(), 1s), Errc::not_found);
  auto again = listen();  // the name is free
}

}  // namespace
}  // namespace sluice_test
