// Promise 7 for handles: descriptors from a peer that shook hands rightly and then sends them with what it likes. The channel
// ends, all of them are closed, and none was kept.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "bait.hpp"
#include "hostile.hpp"

namespace sluice_test {
namespace {

// Strangers' subjects over whose channel handles travel.
std::vector<Subject> carriers() {
  auto all = strangers_with(sluice::Shape::stream);
  std::erase_if(all, [](const Subject& subject) { return !row_of(subject).traits.handles; });
  return all;
}

class HostileHandles : public HostileTest {};
INSTANTIATE_TEST_SUITE_P(Promise7, HostileHandles, testing::ValuesIn(carriers()), label_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HostileHandles);

// Bytes that are written with one call, and how many handles with them.
struct Part {
  Wire bytes;
  std::size_t handles{0};
};

struct Attack {
  const char* what;
  std::vector<Part> parts;
};

// One record with its payload; with `count` said in it, where it is flagged.
Wire plain(RawKind kind = RawKind::data, std::uint32_t length = 10) {
  return Wire{}.u64(raw_header(kind, length)).zeros(length);
}
Wire flagged(std::uint32_t count, RawKind kind = RawKind::data, std::uint32_t length = 10) {
  return Wire{}.u64(raw_header(kind, length + 8, 0, kRawHandles)).u32(count).u32(0).zeros(length);
}

Wire part_of(const Wire& wire, std::size_t begin, std::size_t end) {
  Wire part;
  for (std::size_t at = begin; at < end; ++at) part.u8(std::to_integer<std::uint8_t>(wire.bytes()[at]));
  return part;
}

// Each byte of `wire` by itself, with `handles` handles.
std::vector<Part> drip(const Wire& wire, std::size_t handles) {
  std::vector<Part> parts;
  for (std::size_t at = 0; at < wire.bytes().size(); ++at) parts.push_back({part_of(wire, at, at + 1), handles});
  return parts;
}

std::vector<Attack> attacks() {
  const Wire message = flagged(2);
  const std::size_t size = message.bytes().size();
  return {
      {"handles with a record that isn't flagged", {{plain(), 1}}},
      {"a flagged record without handles", {{message, 0}}},
      {"fewer handles than it says", {{message, 1}}},
      {"more handles than it says", {{message, 3}}},
      {"a flagged record that says none", {{flagged(0), 1}}},
      {"more than is accepted", {{flagged(17), 17}}},
      {"as many as the kernel takes", {{flagged(253), 253}}},
      {"a number with its upper half", {{Wire{}.u64(raw_header(RawKind::data, 8, 0, kRawHandles)).u32(1).u32(1), 1}}},
      {"a flagged record that is too short", {{Wire{}.u64(raw_header(RawKind::data, 4, 0, kRawHandles)).u32(1), 1}}},
      {"handles twice", {{part_of(message, 0, 4), 2}, {part_of(message, 4, size), 2}}},
      {"handles within a payload", {{part_of(plain(), 0, 12), 0}, {part_of(plain(), 12, 18), 1}}},
      {"handles with each byte of a header", drip(part_of(message, 0, 16), 2)},
      {"handles with each byte of a payload", drip(plain(RawKind::data, 60), 4)},
      {"handles with a control record", {{raw_control(word::kAsk, 1), 1}}},
      {"handles within a control record", {{part_of(raw_control(word::kAsk, 1), 0, 12), 0}, {Wire{}.zeros(12), 16}}},
      {"a flagged control record", {{Wire{}.u64(raw_header(RawKind::control, 24, 0, kRawHandles)).u64(1).zeros(16), 1}}},
      {"a flagged piece that is empty", {{flagged(1, RawKind::piece, 0), 1}}},
      {"a flagged last piece", {{plain(RawKind::piece), 0}, {flagged(1, RawKind::last_piece), 1}}},
      {"a flagged second piece", {{plain(RawKind::piece), 0}, {flagged(1, RawKind::piece), 1}}},
      {"a flagged record within a message with handles", {{flagged(1, RawKind::piece), 1}, {flagged(1), 1}}},
      {"a flagged filler", {{Wire{}.u64(raw_header(RawKind::filler, 8, 0, kRawHandles)).u64(1), 1}}},
  };
}

void send_parts(RawSocket& socket, const std::vector<Part>& parts, const Bait& bait) {
  for (const auto& part : parts)
    if (!socket.send(part.bytes, bait.copies(part.handles))) return;  // the victim has ended it
}

TEST_P(HostileHandles, WithWhatNoPeerSendsThem) {
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  const auto all = attacks();
  for (const auto& attack : all) {
    SCOPED_TRACE(attack.what);
    Bait bait;
    auto connected = connect_rightly(victim);
    EXPECT_FAILED(victim.call("receive deadline=10"), Errc::timed_out);  // it has what it needs to wait
    const auto before = descriptors_of(victim.pid()).size();
    const auto receiving = victim.start("receive deadline=5000");
    send_parts(connected.socket, attack.parts, bait);
    EXPECT_FAILED(victim.finish(receiving), Errc::protocol_error);
    EXPECT_LE(descriptors_of(victim.pid()).size(), before + 2 * 16) << "more were opened than may wait for their record";
    expect_protocol_error(victim);
    connected.socket.close();
    EXPECT_TRUE(bait.is_gone()) << "a handle was kept";
  }
  note("attacks", all.size());
  expect_unharmed(victim, memory);
}

// With a byte behind the first one: whether that is seen depends on how much the victim reads at once. It is a protocol_error,
// or the message comes with its two handles; and nothing is kept.
TEST_P(HostileHandles, WithAnotherByteOfTheirRecordAreRefusedOrRight) {
  auto& victim = listening_victim();
  const Wire message = flagged(2, RawKind::data, 0);
  const std::size_t size = message.bytes().size();
  for (std::size_t at = 1; at < size; ++at) {
    Bait bait;
    auto connected = connect_rightly(victim);
    const auto receiving = victim.start("receive size=0 deadline=5000");
    send_parts(connected.socket, {{part_of(message, 0, at), 0}, {part_of(message, at, size), 2}}, bait);
    const Reply received = victim.finish(receiving);
    EXPECT_TRUE(received.done || received.code == "protocol_error") << received;
    EXPECT_DONE(victim.call("destroy"));
    EXPECT_TRUE(bait.is_gone());
  }
}

TEST_P(HostileHandles, BehindGoodMessagesLeaveThoseWhole) {
  auto& victim = listening_victim();
  Bait bait;
  auto connected = connect_rightly(victim);
  ASSERT_TRUE(connected.socket.send(flagged(2, RawKind::data, 0), bait.copies(2)));
  ASSERT_TRUE(connected.socket.send(flagged(16, RawKind::piece, 0), bait.copies(16)));
  EXPECT_DONE(victim.call("receive size=0 deadline=5000"));
  EXPECT_FAILED(victim.call("receive deadline=5000"), Errc::protocol_error);
  expect_protocol_error(victim);
  EXPECT_TRUE(bait.is_gone());
}

// A piece with handles, and then nothing more, or death: they are closed with the message that never comes.
TEST_P(HostileHandles, OfAMessageThatIsNeverFinishedAreClosed) {
  auto& victim = listening_victim();
  for (const bool dies : {false, true}) {
    Bait bait;
    auto connected = connect_rightly(victim);
    ASSERT_TRUE(connected.socket.send(flagged(3, RawKind::piece), bait.copies(3)));
    EXPECT_FAILED(victim.call("receive deadline=50"), Errc::timed_out);
    if (dies) {
      connected.socket.close();
      EXPECT_FAILED(victim.call("receive deadline=5000"), Errc::peer_died);
    }
    EXPECT_DONE(victim.call("destroy"));
    EXPECT_TRUE(bait.is_gone());
  }
}

TEST_P(HostileHandles, AreDiscardedUnopenedByWhoAcceptsNone) {
  auto& victim = listening_victim("max_handles=0");
  Bait bait;
  auto connected = connect_rightly(victim);
  EXPECT_FAILED(victim.call("receive deadline=10"), Errc::timed_out);
  const auto before = descriptors_of(victim.pid());
  ASSERT_TRUE(connected.socket.send(Wire{}.u64(raw_header(RawKind::data, 0)), bait.copies(200)));
  EXPECT_DONE(victim.call("receive size=0 deadline=5000"));
  EXPECT_TRUE(bait.is_gone());
  EXPECT_EQ(descriptors_of(victim.pid()), before);
  ASSERT_TRUE(connected.socket.send(flagged(1)));
  EXPECT_FAILED(victim.call("receive deadline=5000"), Errc::protocol_error);
  expect_protocol_error(victim);
}

TEST_P(HostileHandles, AreNotOpenedAnyMoreByWhoCloses) {
  auto& victim = listening_victim();
  Bait bait;
  auto connected = connect_rightly(victim);
  EXPECT_FAILED(victim.call("receive deadline=10"), Errc::timed_out);
  // It has descriptors left for its waiting, and would notice a handle that it tries to open.
  rlimit limit{};
  ASSERT_EQ(::prlimit(victim.pid(), RLIMIT_NOFILE, nullptr, &limit), 0);
  const rlimit tight{static_cast<rlim_t>(descriptors_of(victim.pid()).rbegin()->first) + 4, limit.rlim_max};
  ASSERT_EQ(::prlimit(victim.pid(), RLIMIT_NOFILE, &tight, nullptr), 0);
  const auto closing = victim.start("close deadline=300");
  std::uint64_t sent = 0;
  {
    const auto message = flagged(16);
    const auto copies = bait.copies(16);
    // For as long as it discards what arrives.
    while (!victim.has_answered(closing) && connected.socket.send(message, copies)) ++sent;
  }
  note("messages", sent);
  EXPECT_FAILED(victim.finish(closing), Errc::timed_out);
  ASSERT_EQ(::prlimit(victim.pid(), RLIMIT_NOFILE, &limit, nullptr), 0);
  connected.socket.close();
  EXPECT_TRUE(bait.is_gone());
  EXPECT_DONE(victim.call("destroy"));
}

TEST_P(HostileHandles, WithRandomRecords) {
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  Random random(test_seed());
  const std::uint64_t rounds = scaled(100, 30);
  std::uint64_t good = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    Bait bait;
    auto connected = connect_rightly(victim);
    const auto receiving = victim.start("receive all=1 size=0 deadline=5000");
    for (std::uint64_t records = 1 + random.below(6); records > 0; --records) {
      const auto count = static_cast<std::uint32_t>(1 + random.below(16));
      const auto wrong = random.below(12);  // mostly right, so that more than the first is looked at
      const Wire bytes = wrong == 0 ? plain(RawKind::data, 0) : flagged(count, RawKind::data, 0);
      send_parts(connected.socket, {{bytes, wrong == 1 ? random.below(17) : count}}, bait);
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
