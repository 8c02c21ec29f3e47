// What the tests about hostile peers have in common: the victim is the test peer, a process of its own whose memory,
// descriptors and life can be looked at; the attacker is this process, with raw bytes.
#pragma once

#include <chrono>
#include <functional>

#include "conformance.hpp"
#include "raw_peer.hpp"

namespace sluice_test {

// The subjects whose channel has that shape and whose other end can be a stranger's process that connects.
inline std::vector<Subject> strangers_with(sluice::Shape shape) {
  std::vector<Subject> all;
  for (const auto& subject : subjects())
    if (subject.has_names && !row_of(subject).traits.one_process && subject.shape() == shape) all.push_back(subject);
  return all;
}

class HostileTest : public Conformance {
 protected:
  HostileTest() : Conformance(7) {}

  // In one process there is no stranger. True: the test returns.
  bool answered() {
    if (answered_without_names()) return true;
    if (!stays_in_one_process()) return false;
    answer_one_process();
    return true;
  }

  // A victim that listens. Where strangers can knock.
  Peer& listening_victim(const std::string& options = {}) {
    auto& victim = start_peer();
    listen_as_victim(victim, options);
    return victim;
  }
  void listen_as_victim(Peer& victim, const std::string& options = {}) {
    const Reply listening = victim.call("listen " + options);
    if (!listening) throw std::runtime_error("the victim can't listen: " + listening.code);
    door_ = find_door(scratch().folder(), listening.text("endpoint"));
  }
  [[nodiscard]] const std::string& door() const noexcept { return door_; }

  // A stranger that has shaken hands rightly with a victim that accepts; the victim's channel is "c".
  struct Connected {
    RawSocket socket;
    RawOffer offer;
  };
  Connected connect_rightly(Peer& victim, const RawHello& hello = {}) {
    const auto accepting = victim.start("accept deadline=10000");
    Connected connected{RawSocket::connect(door_), {}};
    auto offer = shake_hands(connected.socket, hello);
    const Reply accepted = victim.finish(accepting);
    if (!offer || !accepted) throw std::runtime_error("a right handshake was refused: " + accepted.code);
    connected.offer = *std::move(offer);
    return connected;
  }

  void expect_grown_less(const Peer& victim, std::uint64_t before, std::uint64_t limit) {
    const std::uint64_t now = resident_bytes(victim.pid());
    if (under_sanitizer()) return;  // its shadow memory grows too
    EXPECT_LT(now, before + limit) << "the victim's memory has grown";
  }

  // Calls `put`, which writes more control records or finds no room, for as long as the victim's receive runs. That must end at
  // its deadline all the same, and the answers that the records ask for must not pile up.
  Reply receive_in_a_flood(Peer& victim, const std::function<void()>& put, std::uint64_t may_grow = std::uint64_t{8} << 20) {
    constexpr std::chrono::milliseconds kDeadline{300};
    const std::uint64_t memory = resident_bytes(victim.pid());
    const auto started = Clock::now();
    const auto receiving = victim.start("receive deadline=" + std::to_string(kDeadline.count()));
    while (!victim.has_answered(receiving) && Clock::now() - started < patience()) put();
    Reply received = victim.finish(receiving);
    EXPECT_LT(Clock::now() - started, kDeadline + patience() / 2);
    expect_grown_less(victim, memory, may_grow);
    return received;
  }

  // What the victim's receive says after an attack; and that every further call says it again.
  void expect_protocol_error(Peer& victim) {
    EXPECT_FAILED(victim.call("receive deadline=5000"), Errc::protocol_error);
    EXPECT_EQ(victim.call("ended").text("code"), "protocol_error");
    EXPECT_FAILED(victim.call("receive deadline=now"), Errc::protocol_error);
    EXPECT_FALSE(victim.call("send size=10 deadline=100").done);
    EXPECT_DONE(victim.call("destroy"));
  }

  // The victim lives, its memory has hardly grown, and it serves the next peer.
  void expect_unharmed(Peer& victim, std::uint64_t memory_before, std::uint64_t may_grow = std::uint64_t{8} << 20) {
    expect_grown_less(victim, memory_before, may_grow);
    const auto accepting = victim.start("accept deadline=10000 channel=good");
    auto channel = sluice::connect(endpoint(), soon());
    EXPECT_DONE(victim.finish(accepting));
    ASSERT_OK(channel);
    // Nobody else has come between; as far as the mechanism tells.
    EXPECT_EQ(channel->peer().process_id.value_or(channel->traits().identity ? -1 : victim.pid()), victim.pid());
    const auto receiving = victim.start("receive size=1000 channel=good");
    send(*channel, stream({1000}), 0, 1);
    EXPECT_DONE(victim.finish(receiving));
    EXPECT_DONE(victim.call("destroy channel=good"));
  }

 private:
  std::string door_;
};

}  // namespace sluice_test
