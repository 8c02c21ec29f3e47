// Promise 1, and where the bytes went: while messages cross, payload goes through the mechanism's own calls alone. The peer
// runs below strace, once as the connecting and once as the listening side, and both sends and receives.
#include <array>
#include <numeric>

#include "conformance.hpp"
#include "system_calls.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(PathProof, 1);

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
// What may go elsewhere: the handshake, whose frames are at most 4 KiB each.
constexpr std::uint64_t kHandshake = 16 * 1024;
// A ring of the doorbell, by send(2), is a byte; several that were not heard yet are silenced in one call.
constexpr std::uint64_t kRing = 1;
constexpr std::uint64_t kRings = 256;

// The calls by which the payload of a shape goes, on which kind of file. A region's goes by none.
struct OwnCalls {
  sluice::Shape shape;
  const char* sends;
  const char* receives;
  const char* file;
};
constexpr OwnCalls kOwnCalls[] = {
    {sluice::Shape::stream, "sendmsg", "recvmsg", "socket"},
    {sluice::Shape::packets, "mq_timedsend", "mq_timedreceive", "file"},
    {sluice::Shape::region, "", "", ""},
};

OwnCalls own_calls(sluice::Shape shape) {
  for (const auto& own : kOwnCalls)
    if (own.shape == shape) return own;
  return {};
}

void check_path(const std::map<CallKey, Moved>& moved, sluice::Shape shape, std::uint64_t payload) {
  const auto own = own_calls(shape);
  std::uint64_t elsewhere = 0;
  for (const auto& [key, what] : moved) {
    const std::string name = key.call + " on " + key.file;
    if (key.file == own.file && (key.call == own.sends || key.call == own.receives)) {
      EXPECT_GE(what.bytes, payload) << name;
      EXPECT_LT(what.bytes, payload + payload / 50 + kHandshake) << name << ": more than payload and headers";
    } else if (shape == sluice::Shape::region && (key.call == "sendto" || key.call == "recvfrom") && key.file == "socket") {
      EXPECT_LE(what.most, key.call == "sendto" ? kRing : kRings) << name << ": a doorbell carries no data";
    } else {
      elsewhere += what.bytes;
    }
  }
  EXPECT_LT(elsewhere, kHandshake) << "bytes went by other calls";
  if (own.sends[0] != '\0') {
    EXPECT_TRUE(moved.contains({own.sends, own.file}));
    EXPECT_TRUE(moved.contains({own.receives, own.file}));
  }
}

std::string listed(const std::map<CallKey, Moved>& moved) {
  std::string text;
  for (const auto& [key, what] : moved)
    text += key.call + "(" + key.file + "):" + std::to_string(what.calls) + "/" + std::to_string(what.bytes) + ";";
  return text;
}

TEST_P(PathProof, PayloadGoesThroughTheMechanismsOwnCallsAlone) {
  if (stays_in_one_process()) return answer_one_process();
  if (under_sanitizer()) GTEST_SKIP() << "the path is proved by the release build alone";
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
    check_path(moved, shape, kPayload);
    note(what == PeerDoes::connect ? "connecting" : "listening", listed(moved));
  }
}

}  // namespace
}  // namespace sluice_test
