// Promise 4: a call gives up at its deadline; timed_out means that not a byte went out, and what was begun is finished.
#include <functional>

#include "conformance.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(Deadlines, 4);

constexpr milliseconds kShort{60};
// A deadline is met late by a machine that is busy, never by this much.
milliseconds late() { return patience() / 2; }

TEST_P(Deadlines, NowOnlyTries) {
  auto listener = listen_if_possible();
  if (listener) {
    EXPECT_CODE(listener->accept(Deadline::now()), Errc::would_block);
  }
  auto& peer = start_peer();
  Pair pair = meet_at(listener, peer);
  EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::would_block);
  std::vector<std::byte> room(10);
  EXPECT_CODE(pair.channel.receive_into(room, Deadline::now()), Errc::would_block);
  std::uint64_t sent = 0;
  sluice::Result<void> result;
  while ((result = stream({1000}).send(pair.channel, sent, Deadline::now()))) ++sent;
  EXPECT_CODE(result, Errc::would_block);
  EXPECT_GT(sent, 0U);
  EXPECT_CODE(pair.channel.flush(Deadline::now()), Errc::would_block);
  // Tried again later, all of it goes through, and nothing twice.
  const auto receiving = peer.start("receive size=1000 count=" + std::to_string(sent + 1));
  send(pair.channel, stream({1000}), sent, 1);
  EXPECT_DONE(peer.finish(receiving));
}

TEST_P(Deadlines, PassInEveryCallThatWaits) {
  auto listener = listen_if_possible();
  const auto measured = [&](const std::function<std::string()>& call) {
    const auto started = Clock::now();
    const std::string code = call();
    const auto took = Clock::now() - started;
    EXPECT_EQ(code, "timed_out");
    EXPECT_GE(took, kShort);
    EXPECT_LT(took, kShort + late());
  };
  if (listener) {
    measured([&] { return code_of(listener->accept(kShort)); });
    measured([&] { return code_of(sluice::connect(endpoint(), kShort)); });  // nobody accepts
  }
  auto& peer = start_peer();
  Pair pair = meet_at(listener, peer);
  measured([&] { return code_of(pair.channel.receive(kShort)); });
  std::vector<std::byte> room(10);
  measured([&] { return code_of(pair.channel.receive_into(room, kShort)); });
  fill_up(pair.channel, stream({10'000}));
  measured([&] { return code_of(stream({10'000}).send(pair.channel, 0, kShort)); });
  measured([&] { return code_of(pair.channel.flush(kShort)); });
  // A ring keeps room for control records: there, finish need not wait.
  if (const auto finished = pair.channel.finish(kShort); !finished) {
    EXPECT_CODE(finished, Errc::timed_out);
  }
  measured([&] { return code_of(pair.channel.close(kShort)); });
}

TEST_P(Deadlines, AConnectThatGaveUpLeavesTheListenerWell) {
  if (answered_without_names()) return;
  auto listener = listen();
  for (int round = 0; round < 5; ++round) EXPECT_CODE(sluice::connect(endpoint(), 10ms), Errc::timed_out);
  auto& peer = start_peer();
  Pair pair{&peer, accept_from(listener, peer)};
  send(pair.channel, stream({10}), 0, 1);
  EXPECT_DONE(peer.call("receive size=10"));
}

TEST_P(Deadlines, ConnectWaitsForAListenerOnlyWhenAsked) {
  if (answered_without_names()) return;
  EXPECT_CODE(sluice::connect(endpoint(), soon()), Errc::not_found);
  sluice::Options wait;
  wait.wait_for_listener = true;
  const auto started = Clock::now();
  EXPECT_CODE(sluice::connect(endpoint(), kShort, wait), Errc::timed_out);
  EXPECT_GE(Clock::now() - started, kShort);
  auto& peer = start_peer();
  const auto connecting = peer.start("connect wait=1 deadline=10000");
  std::this_thread::sleep_for(100ms);
  auto listener = listen();
  EXPECT_OK(listener.accept(soon()));
  EXPECT_DONE(peer.finish(connecting));
}

// Half-way through a big message the deadline passes: the message is accepted, and each of these calls finishes it.
struct Finisher {
  const char* name;
  // Told whether the peer has received the big message.
  std::function<std::string(Channel&, const std::function<bool()>&)> call;
};

const std::vector<Finisher>& finishers() {
  static const std::vector<Finisher> all{
      {"flush", [](Channel& channel, const auto&) { return code_of(channel.flush(patience())); }},
      {"receive",
       [](Channel& channel, const auto&) {
         const auto message = channel.receive(patience());  // the peer answers when it has received
         return code_of(message);
       }},
      {"send", [](Channel& channel, const auto&) { return code_of(channel.send({}, patience())); }},
      {"finish", [](Channel& channel, const auto&) { return code_of(channel.finish(patience())); }},
      {"close", [](Channel& channel, const auto&) { return code_of(channel.close(patience())); }},
      {"advance",
       [](Channel& channel, const auto& peer_has_it) {
         // Nothing but advance() until the peer has it: any other call would move the tail itself.
         const auto until = Clock::now() + patience();
         while (!peer_has_it()) {
           if (Clock::now() > until) return std::string("never");
           channel.advance();
           std::this_thread::sleep_for(100us);
         }
         return code_of(channel.receive(patience()));
       }},
  };
  return all;
}

TEST_P(Deadlines, ThatPassHalfWayThroughABigMessageLeaveATailThatAnyCallFinishes) {
  constexpr std::size_t kBig = std::size_t{8} << 20;
  const std::size_t wanted = affordable(kBig, 0.5);
  for (const auto& finisher : finishers()) {
    SCOPED_TRACE(finisher.name);
    auto pair = meet();
    // However slow this build is: more than the channel holds.
    const std::size_t size = std::max({wanted, 2 * traits().capacity, 2 * pair.channel.traits().capacity});
    const Stream big = stream({size});
    ASSERT_OK(big.send(pair.channel, 0, kShort));                                 // accepted: a first byte went out
    ASSERT_CODE(stream({10}, 9).send(pair.channel, 0, kShort), Errc::timed_out);  // the tail is in the way
    ASSERT_CODE(stream({10}, 9).send(pair.channel, 0, Deadline::now()), Errc::would_block);
    const auto receiving = pair.peer->start("receive size=" + std::to_string(size));
    const auto answering = pair.peer->start("send size=3");           // after it has received
    const auto staying = pair.peer->start("receive deadline=10000");  // flush and close need a peer that makes calls
    EXPECT_EQ(finisher.call(pair.channel, [&] { return pair.peer->has_answered(receiving); }), "ok");
    EXPECT_DONE(pair.peer->finish(receiving));
    (void)pair.peer->finish(answering);
    (void)pair.channel.close(Deadline::now());
    (void)pair.peer->finish(staying);
  }
}

TEST_P(Deadlines, TimedOutMeansThatNotAByteWentOut) {
  auto pair = meet();
  const std::uint64_t rounds = scaled(40, 10);
  Random random(test_seed());
  std::uint64_t accepted = 0;
  std::uint64_t timed_out = 0;
  // Nobody receives while a round sends: it ends when the channel was full for several attempts, or no channel is that large.
  constexpr int kLeast = 30;
  constexpr int kMost = 5000;
  constexpr std::uint64_t kEnough = 3;
  const std::uint64_t limit = affordable(1 << 20, 0.05);
  const Stream mixed = stream({0, limit});
  const std::string words = " mixed=" + std::to_string(limit);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::uint64_t before = accepted;
    std::uint64_t refused = 0;
    for (int attempt = 0; attempt < kLeast || (refused < kEnough && attempt < kMost); ++attempt) {
      const auto sent = mixed.send(pair.channel, accepted, std::chrono::microseconds(random.below(3000)));
      if (sent) {
        ++accepted;
      } else {
        ASSERT_CODE(sent, Errc::timed_out);
        ++refused;
      }
    }
    ASSERT_GE(refused, kEnough) << "the channel took everything, and nothing was proved";
    timed_out += refused;
    // What was accepted arrives intact, one after the other, and nothing of what timed out.
    const auto receiving =
        pair.peer->start("receive first=" + std::to_string(before) + " count=" + std::to_string(accepted - before) + words);
    const auto answering = pair.peer->start("send size=3 stream=1 first=" + std::to_string(round));
    receive(pair.channel, stream({3}, 1), round, 1);  // moves the tail, if there is one
    ASSERT_DONE(pair.peer->finish(receiving));
    ASSERT_DONE(pair.peer->finish(answering));
  }
  note("accepted", accepted);
  note("timed_out", timed_out);
  EXPECT_GT(timed_out, 0U);
  EXPECT_FAILED(pair.peer->call("receive deadline=now"), Errc::would_block);
}

TEST_P(Deadlines, TwoEndsThatOnlySendTimeOut) {
  auto pair = meet();
  const std::size_t size = affordable(std::size_t{8} << 20, 0.5);
  const std::string words = " deadline=200 count=50 size=" + std::to_string(size);
  const auto sending = pair.peer->start("send" + words);
  sluice::Result<void> sent;
  std::uint64_t count = 0;
  while (count < 50 && (sent = stream({size}).send(pair.channel, count, 200ms))) ++count;
  EXPECT_CODE(sent, Errc::timed_out);
  const Reply theirs = pair.peer->finish(sending);
  EXPECT_FAILED(theirs, Errc::timed_out);
  // They receive, and both directions move again. One message more than was sent: until it comes, the peer makes a call
  // that moves its own tail.
  const std::string words_more = " count=" + std::to_string(count + 1) + " size=" + std::to_string(size);
  const auto receiving = pair.peer->start("receive" + words_more, "receive");
  receive(pair.channel, stream({size}), 0, theirs.number("sent"));
  send(pair.channel, stream({size}), count, 1);
  while (!pair.peer->has_answered(receiving) && !HasFailure()) {
    EXPECT_CODE(pair.channel.receive(10ms), Errc::timed_out);  // moves our tail
  }
  EXPECT_DONE(pair.peer->finish(receiving));
}

TEST_P(Deadlines, InterruptEndsACallEarly) {
  auto pair = meet();
  fill_up(pair.channel, stream({10'000}));
  std::thread waiting([&] { EXPECT_CODE(pair.channel.receive(), Errc::interrupted); });
  std::this_thread::sleep_for(30ms);
  pair.channel.interrupt();  // if the call doesn't wait yet, it holds for the next that would
  waiting.join();
  // Once for each side: the sending side was interrupted as well.
  EXPECT_CODE(stream({10'000}).send(pair.channel, 0, soon()), Errc::interrupted);
  EXPECT_CODE(stream({10'000}).send(pair.channel, 0, 20ms), Errc::timed_out);
  const auto sending = pair.peer->start("send size=10");
  receive(pair.channel, stream({10}), 0, 1);
  EXPECT_DONE(pair.peer->finish(sending));
  if (!subject().has_names) return;
  auto listener = sluice::listen(another_endpoint()).value();
  std::thread accepting([&] { EXPECT_CODE(listener.accept(), Errc::interrupted); });
  std::this_thread::sleep_for(30ms);
  listener.interrupt();
  accepting.join();
}

}  // namespace
}  // namespace sluice_test
