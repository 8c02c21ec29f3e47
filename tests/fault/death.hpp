// What the tests about killed peers have in common.
#pragma once

#include <signal.h>

#include <functional>
#include <thread>

#include "conformance.hpp"

namespace sluice_test {

class DeathTest : public Conformance {
 protected:
  DeathTest() : Conformance(6) {}

  // For a mechanism that stays in one process there is nobody to kill: the cell says so, and the test returns.
  bool answered() {
    if (!stays_in_one_process()) return false;
    answer_one_process();
    return true;
  }

  void kill_and_wait(Peer& peer) {
    peer.kill();
    ASSERT_TRUE(wait_for_end(peer.process().pidfd(), patience()));
  }

  // Lets the peer send messages of `size` bytes until no more go in: how many it sent.
  std::uint64_t fill(Pair& pair, std::size_t size) {
    constexpr std::uint64_t kEnough = 20'000;
    const Reply sent = pair.peer->call("send deadline=50 count=" + std::to_string(kEnough) + " size=" + std::to_string(size));
    EXPECT_TRUE(sent.done || sent.code == "timed_out") << sent;
    return sent.number("sent");
  }

  // Receives what the peer had sent before it died, then its death: all of it; or, where only what the dead side's kernel had
  // delivered can be counted on, a beginning of it, whole and in order, of at least so many messages.
  void expect_sent_then_death(Pair& pair, const Stream& sent, std::uint64_t count, std::uint64_t at_least) {
    if (pair.channel.traits().after_death == sluice::AfterDeath::all) at_least = count;
    std::uint64_t received = 0;
    for (; received < count; ++received) {
      const auto message = pair.channel.receive(soon());
      if (!message) break;
      ASSERT_EQ(sent.wrong(received, message->bytes()), "");
    }
    EXPECT_GE(received, at_least) << "of " << count;
    if (received < count) note("lost_of_" + std::to_string(count), count - received);
    expect_death(pair);
  }

  // All that the peer sent was received: now its death must show, in every call, and stay.
  void expect_death(Pair& pair) {
    EXPECT_CODE(pair.channel.receive(soon()), Errc::peer_died);
    EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::peer_died);
    EXPECT_CODE(pair.channel.send({}, soon()), Errc::peer_died);
    ASSERT_TRUE(pair.channel.ended());
    EXPECT_EQ(pair.channel.ended()->code, Errc::peer_died);
  }

  // The next listen and connect on the same endpoint work at once.
  void meet_again(PeerDoes what) {
    auto pair = meet(what);
    const auto sending = pair.peer->start("send size=77");
    receive(pair.channel, stream({77}), 0, 1);
    EXPECT_DONE(pair.peer->finish(sending));
    const auto closing = pair.peer->start("close deadline=5000");
    EXPECT_OK(pair.channel.close(soon()));
    EXPECT_DONE(pair.peer->finish(closing));
  }
};

}  // namespace sluice_test
