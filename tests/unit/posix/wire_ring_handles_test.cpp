// Handles of messages in a ring: the packets that carry them on the connection, golden and hostile, and the records that they
// belong to.
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/message_storage.hpp"
#include "core/ring_handles.hpp"
#include "core/ring_layout.hpp"
#include "core/ring_reader.hpp"
#include "core/ring_writer.hpp"
#include "unit/fake_links.hpp"
#include "unit/hex.hpp"
#include "unit/os_support.hpp"

namespace {

using namespace sluice;
using namespace sluice::core;
using sluice::test::open_descriptors;
using sluice_test::FakeRegion;
using sluice_test::FakeStream;
using sluice_test::hex;
using sluice_test::StreamWire;
using sluice_test::to_hex;

constexpr std::size_t kMaxMessage = std::size_t{1} << 20;
constexpr std::size_t kMaxHandles = 4;
constexpr std::size_t kRing0 = 65'536;

// The writing end of ring 0, and what it has said on the connection.
struct Writing {
  FakeRegion::Memory memory = FakeRegion::make_memory();
  std::shared_ptr<StreamWire> wire = std::make_shared<StreamWire>();
  RingHandles handles{std::make_unique<FakeStream>(wire), kMaxHandles};
  RingWriter writer{std::make_shared<FakeRegion>(memory, false), 0, &handles};

  Result<void> put(std::span<const std::byte> bytes, std::span<const Handle> with) {
    OutgoingMessage message{{&bytes, 1}, with};
    while (true) {
      const auto put = writer.put(message, 0);
      if (!put) return put.error();
      if (*put) return {};
    }
  }
  [[nodiscard]] std::span<std::byte> at(std::size_t offset, std::size_t size) const { return memory->subspan(offset, size); }
};

// The reading end of ring 0, and what comes on the connection.
struct Reading {
  FakeRegion::Memory memory = FakeRegion::make_memory();
  std::shared_ptr<StreamWire> wire = std::make_shared<StreamWire>();
  RingHandles handles;
  RingReader reader;

  explicit Reading(std::size_t most = kMaxHandles)
      : handles(std::make_unique<FakeStream>(wire), most),
        reader(std::make_shared<FakeRegion>(memory, true), 0, kMaxMessage, &handles) {}
  ~Reading() {
    // What was not read the system would close with the connection.
    for (const auto& rest : std::span{wire->incoming_handles}.subspan(wire->handles_taken))
      for (const auto native : rest.natives) ::close(static_cast<int>(native));
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  void record(std::string_view bytes) const {
    std::ranges::copy(hex(bytes), memory->begin() + static_cast<std::ptrdiff_t>(kRing0));
  }
  void packet(std::string_view bytes, std::size_t count) const {
    if (count != 0) {
      std::vector<links::Descriptor::Native> natives;
      for (std::size_t i = 0; i < count; ++i) natives.push_back(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
      wire->incoming_handles.push_back({wire->incoming.size(), natives});
    }
    const auto added = hex(bytes);
    wire->incoming.insert(wire->incoming.end(), added.begin(), added.end());
  }
};

constexpr std::string_view kFlagged = "05 00 00 24 | 00 00 00 00 | 68 65 6c 6c 6f";
constexpr std::string_view kFirstTwo = "00 00 00 00 | 02 00 00 00";

std::vector<Handle> some(std::size_t count) {
  std::vector<Handle> handles;
  for (std::size_t i = 0; i < count; ++i) handles.emplace_back(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  return handles;
}

TEST(RingHandles, GoBeforeTheirRecordWithTheNumberOfTheirMessage) {
  Writing writing;
  const auto two = some(2);
  ASSERT_TRUE(writing.put(as_bytes("a"), {}));
  ASSERT_TRUE(writing.put(as_bytes("hello"), two));
  EXPECT_EQ(to_hex(writing.wire->outgoing), to_hex(hex("01 00 00 00 | 02 00 00 00")));
  ASSERT_EQ(writing.wire->outgoing_handles.size(), 1U);
  EXPECT_EQ(writing.wire->outgoing_handles[0].at, 0U);
  EXPECT_EQ(writing.wire->outgoing_handles[0].natives.size(), 2U);
  // The record is as long as without them.
  EXPECT_EQ(to_hex(writing.at(kRing0 + 16, 13)), to_hex(hex("05 00 00 24 | 00 00 00 00 | 68 65 6c 6c 6f")));
}

TEST(RingHandles, GoOnceWithAMessageInPieces) {
  Writing writing;
  const auto one = some(1);
  const std::vector<std::byte> large(40'000);
  ASSERT_TRUE(writing.put(large, one));
  ASSERT_TRUE(writing.put(as_bytes("b"), one));
  EXPECT_EQ(to_hex(writing.wire->outgoing), to_hex(hex("00 00 00 00 01 00 00 00 | 01 00 00 00 01 00 00 00")));
  EXPECT_EQ(writing.wire->outgoing_handles.size(), 2U);
  EXPECT_EQ(to_hex(writing.at(kRing0, 4)), to_hex(hex("00 20 00 28"))) << "the first piece has the flag";
  EXPECT_EQ(to_hex(writing.at(kRing0 + 8200, 4)), to_hex(hex("00 20 00 08"))) << "and the second hasn't";
}

TEST(RingHandles, ForWhichTheConnectionHasNoRoomLeaveNothingInTheRing) {
  Writing writing;
  writing.wire->room = 0;
  const auto one = some(1);
  const auto refused = writing.put(as_bytes("hello"), one);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::would_block);
  EXPECT_TRUE(writing.handles.is_full());
  EXPECT_EQ(to_hex(writing.at(kRing0, 8)), to_hex(hex("00 00 00 00 00 00 00 00")));
  ASSERT_TRUE(writing.put(as_bytes("b"), {})) << "one without handles finds room";
  EXPECT_FALSE(writing.handles.is_full());
  writing.wire->room = 8;
  ASSERT_TRUE(writing.put(as_bytes("hello"), one));
  EXPECT_EQ(to_hex(writing.wire->outgoing), to_hex(hex("01 00 00 00 01 00 00 00")));
}

TEST(RingHandles, OfAMessageForWhichTheRingHasNoRoomStay) {
  Writing writing;
  const auto one = some(1);
  while (writing.put(std::vector<std::byte>(1000), {})) {
  }
  const auto refused = writing.put(std::vector<std::byte>(1000), one);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::would_block);
  EXPECT_FALSE(writing.handles.is_full());
  EXPECT_TRUE(writing.wire->outgoing_handles.empty());
}

// The connection has room again meanwhile: who went on waiting for that would be woken for ever.
TEST(RingHandles, WhereTheRingIsFullTheConnectionIsNotWaitedFor) {
  Writing writing;
  const auto one = some(1);
  writing.wire->room = 0;
  EXPECT_EQ(writing.put(as_bytes("a"), one).error().code, Errc::would_block);
  EXPECT_TRUE(writing.handles.is_full());
  const std::vector<std::byte> bytes(1000);
  while (writing.put(bytes, {})) {
  }
  // A message that fits and finds the connection full, once more; then one for which the ring has no room.
  EXPECT_EQ(writing.put({}, one).error().code, Errc::would_block);
  ASSERT_TRUE(writing.handles.is_full());
  writing.wire->room = 100;
  EXPECT_EQ(writing.put(bytes, one).error().code, Errc::would_block);
  EXPECT_FALSE(writing.handles.is_full());
}

TEST(RingHandles, APacketThatIsCutShortEndsTheSendingOfHandles) {
  Writing writing;
  writing.wire->room = 5;
  const auto one = some(1);
  EXPECT_EQ(sluice::test::code_of(writing.put(as_bytes("hello"), one)), Errc::limit_reached);
  writing.wire->room = 100;
  EXPECT_EQ(sluice::test::code_of(writing.put(as_bytes("hello"), one)), Errc::limit_reached);
  EXPECT_EQ(writing.wire->outgoing.size(), 5U);
  EXPECT_TRUE(writing.put(as_bytes("without"), {}));
}

TEST(RingHandles, ComeWithTheirMessage) {
  const auto before = open_descriptors();
  {
    Reading reading;
    reading.packet(kFirstTwo, 2);
    reading.record(kFlagged);
    auto incoming = reading.reader.take();
    ASSERT_TRUE(incoming);
    EXPECT_EQ(as_text(incoming->message.bytes()), "hello");
    EXPECT_TRUE(incoming->message.shared()) << "still a view";
    EXPECT_TRUE(incoming->message.handles().empty()) << "not the caller's yet";
    EXPECT_EQ(MessageStorage::count_handles(incoming->message), 2U);
    MessageStorage::hand_over(incoming->message);
    EXPECT_EQ(incoming->message.handles().size(), 2U);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(RingHandles, ComeWithAMessageInPieces) {
  Reading reading;
  reading.packet("00 00 00 00 | 01 00 00 00", 1);
  reading.record("08 00 00 28 | 00 00 00 00 | 61 61 61 61 61 61 61 61 | 01 00 00 0c | 00 00 00 00 | 62");
  auto incoming = reading.reader.take();
  ASSERT_TRUE(incoming);
  EXPECT_EQ(as_text(incoming->message.bytes()), "aaaaaaaab");
  EXPECT_EQ(MessageStorage::count_handles(incoming->message), 1U);
}

TEST(RingHandles, AreToldApartByTheNumberOfTheirMessage) {
  Reading reading;
  reading.packet("01 00 00 00 | 01 00 00 00", 1);
  reading.record("00 00 00 04 | 00 00 00 00 | 00 00 00 24 | 00 00 00 00");
  const auto plain = reading.reader.take();
  ASSERT_TRUE(plain);
  EXPECT_EQ(MessageStorage::count_handles(plain->message), 0U);
  const auto flagged = reading.reader.take();
  ASSERT_TRUE(flagged);
  EXPECT_EQ(MessageStorage::count_handles(flagged->message), 1U);
}

struct Packet {
  std::string_view bytes;
  std::size_t handles;
};

struct Attack {
  const char* what;
  std::string_view record;
  std::vector<Packet> packets;
};

TEST(RingHandles, WhatNoPeerSendsIsAProtocolErrorAndLeavesNothingOpen) {
  const std::vector<Attack> attacks{
      {"no packet", kFlagged, {}},
      {"half a packet", kFlagged, {{"00 00 00 00", 2}}},
      {"a packet in two", kFlagged, {{"00 00 00 00", 1}, {"02 00 00 00", 1}}},
      {"a packet without handles", kFlagged, {{kFirstTwo, 0}}},
      {"fewer than it says", kFlagged, {{kFirstTwo, 1}}},
      {"more than it says", kFlagged, {{kFirstTwo, 3}}},
      {"none", kFlagged, {{"00 00 00 00 | 00 00 00 00", 0}}},
      {"more than we accept", kFlagged, {{"00 00 00 00 | 05 00 00 00", 5}}},
      {"a number beyond all", kFlagged, {{"00 00 00 00 | ff ff ff ff", 1}}},
      {"those of a later message", kFlagged, {{"01 00 00 00 | 02 00 00 00", 2}}},
      {"those of an earlier message", kFlagged, {{"ff ff ff ff | 02 00 00 00", 2}}},
      {"with a control record", "10 00 00 34 | 00 00 00 00 | 10 00 00 00", {{kFirstTwo, 2}}},
      {"with a filler", "00 00 00 30 | 00 00 00 00", {{kFirstTwo, 2}}},
      {"with a last piece",
       "08 00 00 08 | 00 00 00 00 | 61 61 61 61 61 61 61 61 | 01 00 00 2c | 00 00 00 00 | 62",
       {{kFirstTwo, 2}}},
      {"with an empty piece", "00 00 00 28 | 00 00 00 00", {{kFirstTwo, 2}}},
  };
  const auto before = open_descriptors();
  for (const auto& attack : attacks) {
    {
      Reading reading;
      for (const auto& [bytes, count] : attack.packets) reading.packet(bytes, count);
      reading.record(attack.record);
      const auto incoming = reading.reader.take();
      ASSERT_FALSE(incoming) << attack.what;
      EXPECT_EQ(incoming.error().code, Errc::protocol_error) << attack.what;
    }
    EXPECT_EQ(open_descriptors(), before) << attack.what;
  }
}

TEST(RingHandles, AnEndThatAcceptsNoneRefusesTheFlag) {
  Reading reading{0};
  reading.packet(kFirstTwo, 2);
  reading.record(kFlagged);
  EXPECT_EQ(sluice::test::code_of(reading.reader.take()), Errc::protocol_error);
  EXPECT_EQ(reading.wire->handles_taken, 0U) << "not even looked at";
}

TEST(RingHandles, ThoseThatCouldNotBeOpenedEndTheChannel) {
  Reading reading;
  reading.record(kFlagged);
  reading.packet(kFirstTwo, 0);
  reading.wire->incoming_handles.push_back({0, {links::Descriptor::kNone}});
  EXPECT_EQ(sluice::test::code_of(reading.reader.take()), Errc::limit_reached);
}

TEST(RingHandles, WhoDiscardsThemOpensNone) {
  const auto before = open_descriptors();
  {
    Reading reading;
    reading.packet(kFirstTwo, 2);
    reading.record(kFlagged);
    reading.handles.discard();
    const auto incoming = reading.reader.take();
    ASSERT_TRUE(incoming);
    EXPECT_EQ(MessageStorage::count_handles(incoming->message), 0U);
  }
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
