// Promise 1, and where the bytes went: while messages cross, payload goes through the mechanism's own calls alone. The peer
// runs below strace, once as the connecting and once as the listening side, and both sends and receives.
#include <array>
#include <numeric>

#include "conformance.hpp"
#include "path.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(PathProof, 1);

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
std::string listed(const std::map<CallKey, Moved>& moved) {
  std::string text;
  for (const auto& [key, what] : moved)
    text += key.call + "(" + key.file + "):" + std::to_string(what.calls) + "/" + std::to_string(what.bytes) + ";";
  return text;
}

TEST_P(PathProof, PayloadGoesThroughTheMechanismsOwnCallsAlone) {
  if (stays_in_one_process()) return answer_one_process();
  if (under_sanitizer()) GTEST_SKIP() << "sanitizers make system calls of their own; the dev tree proves the path";
  if (const auto why = why_no_trace(); !why.empty()) GTEST_SKIP() << why;
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    const std::string log = scratch().folder() + "/trace.lock";  // the name of a file that may stay
    Peer::Start start;
    start.below = below_trace(log);
    auto& peer = start_peer(start);
    auto shape = sluice::Shape::stream;
    constexpr std::uint64_t kPayload = 64 * kMebibyte;
    {
      auto pair = meet(peer, what);
      shape = pair.channel.traits().shape;
      // One large message and many of middling size, each way.
      const std::string large = " size=" + std::to_string(kPayload / 2);
      const std::string many = " size=65536 count=" + std::to_string(kPayload / 2 / 65'536);
      const auto receiving = peer.start("receive" + large);
      send(pair.channel, stream({kPayload / 2}), 0, 1);
      EXPECT_DONE(peer.finish(receiving));
      const auto receiving_many = peer.start("receive" + many);
      send(pair.channel, stream({65'536}), 0, kPayload / 2 / 65'536);
      EXPECT_DONE(peer.finish(receiving_many));
      const auto sending = peer.start("send" + large);
      receive(pair.channel, stream({kPayload / 2}), 0, 1);
      EXPECT_DONE(peer.finish(sending));
      const auto sending_many = peer.start("send" + many);
      receive(pair.channel, stream({65'536}), 0, kPayload / 2 / 65'536);
      EXPECT_DONE(peer.finish(sending_many));
    }
    ASSERT_EQ(peer.end(), 0);
    const auto moved = read_trace(log, Process::kControl);
    for (const auto& fault : faults_of_path(moved, shape, kPayload, subject().mechanism)) ADD_FAILURE() << fault;
    note(what == PeerDoes::connect ? "connecting" : "listening", listed(moved));
  }
}

}  // namespace
}  // namespace sluice_test
