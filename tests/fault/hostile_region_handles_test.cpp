// Promise 7 for handles beside a ring: packets on the connection from a peer that shook hands rightly, and records that don't
// belong to them. The channel ends, all handles are closed, and none was kept.
#include <sys/resource.h>

#include "bait.hpp"
#include "fault_points.hpp"
#include "hostile.hpp"
#include "raw_region.hpp"

namespace sluice_test {
namespace {

std::vector<Subject> carriers() {
  auto all = strangers_with(sluice::Shape::region);
  std::erase_if(all, [](const Subject& subject) { return !row_of(subject).traits.handles; });
  return all;
}

class HostileRegionHandles : public HostileTest {};
INSTANTIATE_TEST_SUITE_P(Promise7, HostileRegionHandles, testing::ValuesIn(carriers()), label_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HostileRegionHandles);

// What is sent on the connection with one call, and how many handles with it.
struct Packet {
  Wire bytes;
  std::size_t handles{0};
};

struct Attack {
  const char* what;
  std::vector<Packet> packets;
  std::uint64_t header;  // of the record in the ring
};

Wire packet(std::uint32_t number, std::uint32_t count) { return Wire{}.u32(number).u32(count); }
constexpr std::uint32_t kLength = 16;
std::uint64_t flagged(RawKind kind = RawKind::data, std::uint32_t length = kLength) {
  return raw_header(kind, length, 0, kRawHandles);
}

std::vector<Attack> attacks() {
  return {
      {"a flagged record without a packet", {}, flagged()},
      {"half a packet", {{Wire{}.u32(0), 1}}, flagged()},
      {"a packet in two", {{Wire{}.u32(0), 1}, {Wire{}.u32(1), 1}}, flagged()},
      {"a packet without handles", {{packet(0, 1), 0}}, flagged()},
      {"fewer handles than it says", {{packet(0, 2), 1}}, flagged()},
      {"more handles than it says", {{packet(0, 2), 3}}, flagged()},
      {"a packet that says none", {{packet(0, 0), 0}}, flagged()},
      {"a packet that says none, with one", {{packet(0, 0), 1}}, flagged()},
      {"more than is accepted", {{packet(0, 17), 17}}, flagged()},
      {"as many as the kernel takes", {{packet(0, 253), 253}}, flagged()},
      {"4 billion", {{packet(0, ~0U), 1}}, flagged()},
      {"those of the next message", {{packet(1, 1), 1}}, flagged()},
      {"those of the last message", {{packet(~0U, 1), 1}}, flagged()},
      {"those that nobody asked for, first",
       {{packet(0, 1), 1}, {packet(0, 1), 1}, {packet(1, 1), 1}},
       flagged(RawKind::data, 0)},
      {"garbage", {{Wire{}.random(64, 7), 16}}, flagged()},
      {"with a control record", {{packet(0, 1), 1}}, flagged(RawKind::control)},
      {"with a filler", {{packet(0, 1), 1}}, flagged(RawKind::filler, 0)},
      {"with a last piece", {{packet(0, 1), 1}}, flagged(RawKind::last_piece)},
      {"with an empty piece", {{packet(0, 1), 1}}, flagged(RawKind::piece, 0)},
  };
}

void send_packets(RawSocket& socket, const std::vector<Packet>& packets, const Bait& bait) {
  for (const auto& each : packets)
    if (!socket.send(each.bytes, bait.copies(each.handles))) return;  // the victim has ended it
}

TEST_P(HostileRegionHandles, WithWhatNoPeerSendsThem) {
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  const auto all = attacks();
  for (const auto& attack : all) {
    SCOPED_TRACE(attack.what);
    Bait bait;
    auto connected = connect_rightly(victim);
    RawRegion region(connected.offer);
    EXPECT_FAILED(victim.call("receive deadline=10"), Errc::timed_out);  // it has what it needs to wait
    const auto before = descriptors_of(victim.pid()).size();
    const auto receiving = victim.start("receive deadline=5000 count=2");
    send_packets(connected.socket, attack.packets, bait);
    // For those whose first record is taken: behind that, whether it is empty or not.
    region.header(8 + kLength, flagged());
    region.header(8, flagged());
    region.header(0, attack.header);
    region.ring();
    EXPECT_FAILED(victim.finish(receiving), Errc::protocol_error);
    EXPECT_LE(descriptors_of(victim.pid()).size(), before) << "some were kept";
    expect_protocol_error(victim);
    connected.socket.close();
    EXPECT_TRUE(bait.is_gone()) << "a handle was kept";
  }
  note("attacks", all.size());
  expect_unharmed(victim, memory);
}

// Packets for which no record comes are not looked at, open nothing, wake nobody, and are gone with the connection.
TEST_P(HostileRegionHandles, ThatNobodyAskedForAreNeverOpened) {
  auto& victim = listening_victim();
  Bait bait;
  auto connected = connect_rightly(victim);
  RawRegion region(connected.offer);
  EXPECT_FAILED(victim.call("receive deadline=10"), Errc::timed_out);
  const auto before = descriptors_of(victim.pid());
  for (int at = 0; at < 10; ++at) ASSERT_TRUE(connected.socket.send(packet(0, 16), bait.copies(16)));
  EXPECT_FAILED(victim.call("receive deadline=50"), Errc::timed_out) << "no end, and no message";
  region.header(8, 0);
  region.header(0, raw_header(RawKind::data, 0));
  region.ring();
  EXPECT_DONE(victim.call("receive size=0 deadline=5000"));
  EXPECT_EQ(descriptors_of(victim.pid()), before);
  EXPECT_DONE(victim.call("destroy"));
  connected.socket.close();
  EXPECT_TRUE(bait.is_gone());
}

TEST_P(HostileRegionHandles, OfAMessageThatIsNeverFinishedAreClosed) {
  auto& victim = listening_victim();
  for (const bool dies : {false, true}) {
    Bait bait;
    auto connected = connect_rightly(victim);
    RawRegion region(connected.offer);
    ASSERT_TRUE(connected.socket.send(packet(0, 3), bait.copies(3)));
    region.header(0, flagged(RawKind::piece));
    region.ring();
    EXPECT_FAILED(victim.call("receive deadline=50"), Errc::timed_out);
    if (dies) {
      connected.socket.close();
      EXPECT_FAILED(victim.call("receive deadline=5000"), Errc::peer_died);
    }
    EXPECT_DONE(victim.call("destroy"));
    EXPECT_TRUE(bait.is_gone());
  }
}

TEST_P(HostileRegionHandles, AreDiscardedUnopenedByWhoAcceptsNone) {
  auto& victim = listening_victim("max_handles=0");
  Bait bait;
  auto connected = connect_rightly(victim);
  RawRegion region(connected.offer);
  EXPECT_FAILED(victim.call("receive deadline=10"), Errc::timed_out);
  const auto before = descriptors_of(victim.pid());
  ASSERT_TRUE(connected.socket.send(packet(0, 16), bait.copies(16)));
  region.header(0, flagged());
  region.ring();
  EXPECT_FAILED(victim.call("receive deadline=5000"), Errc::protocol_error);
  EXPECT_EQ(descriptors_of(victim.pid()), before);
  expect_protocol_error(victim);
  EXPECT_TRUE(bait.is_gone());
}

// The peer dies between its handles and their record: there is no message, and nothing of it is kept.
TEST_P(HostileRegionHandles, OfAPeerThatDiesBeforeTheirRecordAreClosed) {
  if (!fault_points::are_built_in()) GTEST_SKIP() << "built without fault points";
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto& peer = start_peer({"--kill-at", "after-handles:2"});
    const auto before = descriptors_of(getpid()).size();
    {
      auto pair = meet(peer, what);
      const auto sending = peer.start("send size=100 handles=3 count=5");
      const auto message = pair.channel.receive(soon());
      ASSERT_OK(message);
      EXPECT_EQ(message->handles().size(), 3U);
      EXPECT_CODE(pair.channel.receive(soon()), Errc::peer_died);
      EXPECT_FALSE(peer.finish(sending).done);
    }
    EXPECT_EQ(descriptors_of(getpid()).size(), before);
  }
}

TEST_P(HostileRegionHandles, WithRandomRecordsAndPackets) {
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  Random random(test_seed());
  const std::uint64_t rounds = scaled(60, 20);
  std::uint64_t good = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    Bait bait;
    auto connected = connect_rightly(victim);
    RawRegion region(connected.offer);
    const auto receiving = victim.start("receive all=1 size=0 deadline=5000");
    const std::uint64_t records = 1 + random.below(6);
    for (std::uint64_t number = 0; number < records; ++number) {
      const auto count = static_cast<std::uint32_t>(1 + random.below(16));
      const auto wrong = random.below(16);  // mostly right, so that more than the first is looked at
      const auto said = wrong == 0 ? random.below(20) : number;
      send_packets(connected.socket, {{packet(static_cast<std::uint32_t>(said), count), wrong == 1 ? random.below(17) : count}},
                   bait);
      region.header(8 * (number + 1), 0);
      region.header(8 * number, wrong == 2 ? raw_header(RawKind::data, 0) : flagged(RawKind::data, 0));
      region.ring();
    }
    connected.socket.close();
    const Reply received = victim.finish(receiving);
    EXPECT_TRUE(received.code == "protocol_error" || received.text("code") == "peer_died") << received;
    good += received.number("received");
    EXPECT_DONE(victim.call("destroy"));
    EXPECT_TRUE(bait.is_gone());
    ASSERT_FALSE(HasFailure());
  }
  note("rounds", rounds);
  note("messages", good);
  expect_unharmed(victim, memory);
}

}  // namespace
}  // namespace sluice_test
