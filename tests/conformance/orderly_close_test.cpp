// Promise 5: after close the peer still receives everything that was sent, then closed; finish ends one direction.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>

#include "conformance.hpp"

namespace sluice_test {
namespace {

constexpr std::size_t kFilling = 10'000;  // bytes of each message with which a channel is filled
const std::string kOfFilling = " size=" + std::to_string(kFilling);

// How many messages each end has sent.
struct Filled {
  std::uint64_t ours{0};
  std::uint64_t peers{0};
};

class OrderlyClose : public Conformance {
 protected:
  OrderlyClose() : Conformance(5) {}
  [[nodiscard]] std::string sends_few() const { return "send size=300 count=" + std::to_string(few()); }

  // Fills both directions. An end that waits for room reads ahead, a bounded part, and so makes room for the other: both send
  // at the same time, and again, until neither gets another message in.
  Filled fill_both(Pair& pair) {
    Filled filled;
    for (bool grows = true; grows;) {
      const Filled before = filled;
      const auto filling =
          pair.peer->start("send deadline=50 count=1000000 first=" + std::to_string(filled.peers) + kOfFilling);
      while (stream({kFilling}).send(pair.channel, filled.ours, kAWhile)) ++filled.ours;
      const Reply sent = pair.peer->finish(filling);
      EXPECT_FAILED(sent, Errc::timed_out);
      filled.peers += sent.number("sent");
      grows = !HasFailure() && (filled.ours > before.ours || filled.peers > before.peers);
    }
    EXPECT_GT(filled.ours, 0U);
    EXPECT_GT(filled.peers, 0U);
    return filled;
  }

  static constexpr auto kAWhile = 50ms;  // a link with a helper thread makes room a little later
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

TEST_P(OrderlyClose, OfBothAtOnceWithBothDirectionsFull) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    const Filled filled = fill_both(pair);
    note("ours", filled.ours);
    note("peers", filled.peers);
    // Neither receives: an end in close discards what arrives, and so makes room for the other's goodbye.
    const auto closing = pair.peer->start("close deadline=10000");
    EXPECT_OK(pair.channel.close(soon()));
    EXPECT_DONE(pair.peer->finish(closing));
    EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::closed);
  }
}

TEST_P(OrderlyClose, OfOneEndWithBothDirectionsFullWhileTheOtherDrains) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    {
      auto pair = meet(what);
      const Filled filled = fill_both(pair);
      const auto draining = pair.peer->start("receive all=1 deadline=10000" + kOfFilling);
      EXPECT_OK(pair.channel.close(soon()));
      const Reply drained = pair.peer->finish(draining);
      EXPECT_EQ(drained.number("received"), filled.ours);
      EXPECT_EQ(drained.text("code"), "closed") << drained;
      EXPECT_DONE(pair.peer->call("destroy"));  // its part of a limit that all peers share
    }
    auto pair = meet(what);  // and the other way round
    const Filled filled = fill_both(pair);
    const auto closing = pair.peer->start("close deadline=10000");
    receive(pair.channel, stream({kFilling}), 0, filled.peers);
    EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
    EXPECT_DONE(pair.peer->finish(closing));
  }
}

TEST_P(OrderlyClose, FinishWithUnreadInputAndBothDirectionsFull) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    const Filled filled = fill_both(pair);
    // It may need room, which the draining peer makes; what we have not read stays where it is.
    const auto draining = pair.peer->start("receive all=1 deadline=10000" + kOfFilling);
    EXPECT_OK(pair.channel.finish(soon()));
    const Reply drained = pair.peer->finish(draining);
    EXPECT_EQ(drained.number("received"), filled.ours);
    EXPECT_EQ(drained.text("code"), "closed") << drained;
    EXPECT_CODE(pair.channel.send({}, soon()), Errc::misuse);
    // The other direction is as it was: full, with every message in it, and the peer goes on sending.
    const auto sending = pair.peer->start("send count=20 first=" + std::to_string(filled.peers) + kOfFilling);
    receive(pair.channel, stream({kFilling}), 0, filled.peers + 20);
    EXPECT_DONE(pair.peer->finish(sending));
    EXPECT_DONE(pair.peer->call("finish deadline=5000"));
    EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
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

// Sends until that fails: a link with a helper thread may have made some room after the channel was full.
std::string code_of_last_send(Channel& channel) {
  const std::vector<std::byte> bytes(kFilling);
  sluice::Result<void> sent;
  while (sent) sent = channel.send(bytes);
  return code_of(sent);
}

// Each call that waits, on a channel that is full and receives nothing.
struct WaitingCall {
  const char* name;
  bool needs_room;  // where a link keeps room for control records it returns at once
  std::function<std::string(Channel&)> call;
};

const std::vector<WaitingCall>& waiting_calls() {
  static const std::vector<WaitingCall> all{
      {"receive", false, [](Channel& channel) { return code_of(channel.receive()); }},
      {"receive_into", false,
       [](Channel& channel) {
         std::vector<std::byte> room(kFilling);
         return code_of(channel.receive_into(room));
       }},
      {"send", false, &code_of_last_send},
      {"flush", false, [](Channel& channel) { return code_of(channel.flush()); }},
      {"finish", true, [](Channel& channel) { return code_of(channel.finish()); }},
  };
  return all;
}

// Waits until that thread of ours sits in a wait without a time-out, or has `returned`.
void wait_for_wait(const std::atomic<pid_t>& thread, const std::atomic<bool>& returned) {
  const auto waits = [&] {
    return std::ranges::any_of(threads_of(getpid()),
                               [&](const ThreadState& state) { return state.id == thread && state.waits_without_limit; });
  };
  const auto until = Clock::now() + patience();
  while (!returned && !waits() && Clock::now() < until) std::this_thread::sleep_for(1ms);
}

TEST_P(OrderlyClose, FromAnotherThreadWakesEveryCall) {
  for (const auto& waiting : waiting_calls()) {
    SCOPED_TRACE(waiting.name);
    auto pair = meet();
    fill_up(pair.channel, stream({kFilling}));
    std::atomic<pid_t> thread{0};
    std::atomic<bool> returned{false};
    std::string code;
    std::thread caller([&] {
      thread = gettid();
      code = waiting.call(pair.channel);
      returned = true;
    });
    wait_for_wait(thread, returned);
    EXPECT_TRUE(waiting.needs_room || !returned) << code;  // nobody but close ends the wait
    (void)pair.channel.close(100ms);                       // the peer makes no call: what it has is not what this is about
    caller.join();
    if (!waiting.needs_room || code != "ok") {
      EXPECT_EQ(code, "closed");
    }
    EXPECT_DONE(pair.peer->call("destroy"));  // its part of a limit that all peers share
  }
}

// The same for all of them at once: one that sends and one that receives, the most that may wait on one end.
TEST_P(OrderlyClose, FromAThirdThreadWakesBothSides) {
  auto pair = meet();
  fill_up(pair.channel, stream({kFilling}));
  std::thread receiver([&] { EXPECT_CODE(pair.channel.receive(), Errc::closed); });
  std::thread sender([&] { EXPECT_EQ(code_of_last_send(pair.channel), "closed"); });
  std::this_thread::sleep_for(50ms);  // both wait by then, in all likelihood; closing before must do as well
  (void)pair.channel.close(100ms);
  receiver.join();
  sender.join();
}

TEST_P(OrderlyClose, OfAListenerWakesAccept) {
  if (answered_without_names()) return;
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
