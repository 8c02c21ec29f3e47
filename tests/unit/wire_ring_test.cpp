// Records in a ring: golden bytes in the region, as docs/protocol.md draws them, laps, and a hostile peer's memory.
#include <array>
#include <cstdlib>
#include <string_view>

#include <gtest/gtest.h>

#include "unit/hex.hpp"
#include "unit/random.hpp"
#include "unit/ring_ends.hpp"

namespace {

using namespace sluice;
using namespace sluice::core;
using sluice_test::FakeRegion;
using sluice_test::hex;
using sluice_test::kCapacity;
using sluice_test::kMaxMessage;
using sluice_test::kRing0;
using sluice_test::Random;
using sluice_test::Ring;
using sluice_test::to_hex;

TEST(RingRecords, AMessageIsAHeaderItsBytesAndAZeroHeaderBehind) {
  Ring ring;
  std::ranges::fill(ring.at(kRing0 + 8, 32), std::byte{0xEE});  // what an earlier lap left
  ASSERT_TRUE(ring.put(as_bytes("hello"), 9));
  EXPECT_EQ(to_hex(ring.at(kRing0, 24)),
            to_hex(hex("05 00 00 04 | 09 00 00 00 | 68 65 6c 6c 6f ee ee ee | 00 00 00 00 00 00 00 00")));
}

TEST(RingRecords, AControlRecordIsTwentyFourBytes) {
  Ring ring;
  ASSERT_TRUE(ring.writer.put_control({.word = Word::finish}, 3));
  EXPECT_EQ(to_hex(ring.at(kRing0, 32)),
            to_hex(hex("10 00 00 14 | 03 00 00 00 | 12 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00"
                       "00 00 00 00 00 00 00 00")));
}

TEST(RingRecords, RoomAndCountsAreInTheConsumersLine) {
  Ring ring;
  ASSERT_TRUE(ring.put(as_bytes("hello")));
  {
    const auto incoming = ring.reader.take();
    ASSERT_TRUE(incoming);
    ring.reader.note_taken(1);
    EXPECT_EQ(to_hex(ring.at(512, 8)), to_hex(hex("00 00 00 00 | 01 00 00 00"))) << "taken, but still held";
    EXPECT_TRUE(incoming->message.shared());
    EXPECT_EQ(incoming->message.bytes().data(), ring.memory->data() + kRing0 + 8) << "a view, not a copy";
  }
  EXPECT_EQ(to_hex(ring.at(512, 8)), to_hex(hex("02 00 00 00 | 01 00 00 00"))) << "16 bytes are released";
  ring.reader.announce();
  EXPECT_EQ(to_hex(ring.at(640, 4)), to_hex(hex("01 00 00 00")));
  ring.writer.announce_room();
  EXPECT_EQ(to_hex(ring.at(768, 8)), to_hex(hex("01 00 00 00 | 00 00 00 00")));
  ring.writer.announce_asking();
  EXPECT_EQ(to_hex(ring.at(768, 8)), to_hex(hex("01 00 00 00 | 01 00 00 00")));
}

TEST(RingRecords, OnlyAPeerThatAnnouncedIsRung) {
  Ring ring;
  ASSERT_TRUE(ring.put(as_bytes("a")));
  EXPECT_EQ(ring.connecting->rings, 0U);
  ring.reader.announce();
  ASSERT_TRUE(ring.put(as_bytes("b")));
  ASSERT_TRUE(ring.put(as_bytes("c")));
  EXPECT_EQ(ring.connecting->rings, 1U);
  ring.writer.announce_room();
  ASSERT_TRUE(ring.reader.take());
  EXPECT_EQ(ring.listening->rings, 1U);
}

TEST(RingRecords, AFillerEndsTheLap) {
  Ring ring;
  // Messages are taken and let go at once, until the next record doesn't fit into the rest of the lap.
  const std::vector<std::byte> message(1000 - 8);
  std::size_t offset = 0;
  while (offset + 1000 + 8 <= kCapacity) {
    ASSERT_TRUE(ring.put(message));
    ASSERT_TRUE(ring.reader.take());
    offset += 1000;
  }
  ASSERT_TRUE(ring.put(as_bytes("x"), 5));  // 16 bytes and a header: fits
  ASSERT_TRUE(ring.reader.take());
  offset += 16;
  ASSERT_TRUE(ring.put(message, 5));
  EXPECT_EQ(to_hex(ring.at(kRing0 + offset, 8)), to_hex(hex("00 00 00 10 | 05 00 00 00"))) << "the filler";
  EXPECT_EQ(to_hex(ring.at(kRing0, 8)), to_hex(hex("e0 03 00 04 | 05 00 00 00"))) << "the record at offset 0";
  const auto incoming = ring.reader.take();
  ASSERT_TRUE(incoming);
  EXPECT_EQ(incoming->message.bytes().data(), ring.memory->data() + kRing0 + 8);
}

TEST(RingRecords, WhatNoPeerWritesIsAProtocolError) {
  for (const std::string_view bytes : {
           "05 00 00 00 | 01 00 00 00",  // kind 0
           "05 00 00 18 | 00 00 00 00",  // kind 6
           "01 00 00 84 | 00 00 00 00",  // a turn
           "01 00 00 24 | 00 00 00 00",  // handles, of which there are none here
           "00 00 00 10 | 00 00 00 00",  // a filler at offset 0: laps without end
           "01 00 00 10 | 00 00 00 00",  // a void of no whole units
           "08 00 00 50 | 00 00 00 00",  // … and one that leads home: laps without end
           "f8 ff 00 10 | 00 00 00 00",  // … and one with no room for the header behind it
           "ff ff ff 07 | 00 00 00 00",  // longer than the ring
           "f1 ff 00 04 | 00 00 00 00",  // no room for the header behind it
           "00 00 00 08 | 00 00 00 00",  // an empty piece
           "01 00 00 0c | 00 00 00 00",  // a last piece without a first
           "0f 00 00 14 | 00 00 00 00",  // a control record that is too short
           "01 01 00 14 | 00 00 00 00",  // … and too long
       }) {
    Ring ring;
    ring.write(kRing0, bytes);
    const auto incoming = ring.reader.take();
    ASSERT_FALSE(incoming) << bytes;
    EXPECT_EQ(incoming.error().code, Errc::protocol_error) << bytes;
  }
}

TEST(RingRecords, TheLongestRecordEndsWhereTheLastHeaderLies) {
  Ring ring;
  ring.write(kRing0, "f0 ff 00 04 | 00 00 00 00");  // 65520 = capacity - 16
  const auto incoming = ring.reader.take();
  ASSERT_TRUE(incoming);
  EXPECT_EQ(incoming->message.bytes().size(), kCapacity - 16);
  ASSERT_FALSE(ring.reader.take());
}

TEST(RingRecords, ARecordThatReachesIntoWhatIsHeldIsAProtocolError) {
  Ring ring;
  ASSERT_TRUE(ring.put(as_bytes("held")));
  const auto held = ring.reader.take();
  ASSERT_TRUE(held);
  ring.write(kRing0 + 16, "00 00 00 10 | 00 00 00 00");  // to the end of the lap
  ring.write(kRing0, "00 00 00 04 | 00 00 00 00");       // and over it
  const auto incoming = ring.reader.take();
  ASSERT_FALSE(incoming);
  EXPECT_EQ(incoming.error().code, Errc::protocol_error);
}

TEST(RingRecords, AReleasePositionBeyondWhatWasWrittenIsAProtocolError) {
  Ring ring;
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(ring.put(std::vector<std::byte>(1000)));
  ring.write(512, "ff ff 00 00");
  const auto put = ring.put(std::vector<std::byte>(20'000));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, Errc::protocol_error);
}

TEST(RingRecords, AnEarlierReleasePositionIsIgnored) {
  Ring ring;
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(ring.put(std::vector<std::byte>(1000)));
  ring.write(512, "ff ff ff ff");
  const auto put = ring.put(std::vector<std::byte>(20'000));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, Errc::would_block);
}

TEST(RingRecords, EveryChangedHeaderByteIsReadOrRefused) {
  for (std::size_t at = 0; at < 8; ++at) {
    for (const unsigned flip : sluice_test::kFlips) {
      Ring ring;
      ASSERT_TRUE(ring.put(as_bytes("hello")));
      (*ring.memory)[kRing0 + at] ^= static_cast<std::byte>(flip);
      for (int i = 0; i < 3; ++i) {
        const auto incoming = ring.reader.take();
        if (!incoming) {
          ASSERT_TRUE(incoming.error().code == Errc::protocol_error || incoming.error().code == Errc::would_block);
          break;
        }
      }
    }
  }
}

// ---- loans ---------------------------------------------------------------------------------------------------------------

TEST(RingRecords, ALoanIsTheRecordToComeAndSeenWithItsHeader) {
  Ring ring;
  const auto lent = ring.writer.lend(16, 0);
  ASSERT_TRUE(lent && *lent);
  const auto place = **lent;
  EXPECT_EQ(place.data(), ring.memory->data() + kRing0 + 8);
  EXPECT_EQ(place.size(), 16U);
  std::ranges::fill(place, std::byte{0xEE});
  ASSERT_FALSE(ring.reader.take()) << "nothing is there yet";
  ASSERT_TRUE(ring.writer.commit(5, 9));
  EXPECT_EQ(to_hex(ring.at(kRing0, 24)),
            to_hex(hex("05 00 00 04 | 09 00 00 00 | ee ee ee ee ee ee ee ee | 00 00 00 00 00 00 00 00")));
  const auto incoming = ring.reader.take();
  ASSERT_TRUE(incoming);
  EXPECT_EQ(incoming->message.bytes().data(), place.data());
  EXPECT_EQ(incoming->message.bytes().size(), 5U);
  EXPECT_FALSE(ring.writer.commit(5, 9)) << "once";
}

TEST(RingRecords, ALoanThatIsTakenBackLeavesItsPlaceToTheNext) {
  Ring ring;
  ASSERT_TRUE(ring.writer.lend(1000, 0));
  ring.writer.take_back();
  ASSERT_TRUE(ring.put(as_bytes("hello")));
  const auto incoming = ring.reader.take();
  ASSERT_TRUE(incoming);
  EXPECT_EQ(incoming->message.bytes().data(), ring.memory->data() + kRing0 + 8);
}

// A goodbye that is due while a loan is out: what its holder goes on writing lies in a void that nobody looks at.
TEST(RingRecords, AControlRecordMakesALoanAVoid) {
  Ring ring;
  const auto lent = ring.writer.lend(13, 0);
  ASSERT_TRUE(lent && *lent);
  ASSERT_TRUE(ring.writer.put_control({.word = Word::goodbye}, 3));
  std::ranges::fill(**lent, std::byte{0xEE});
  EXPECT_EQ(to_hex(ring.at(kRing0, 8)), to_hex(hex("10 00 00 10 | 03 00 00 00"))) << "16 bytes of a void";
  EXPECT_EQ(to_hex(ring.at(kRing0 + 24, 12)), to_hex(hex("10 00 00 14 | 03 00 00 00 | 13 00 00 00")));
  const auto incoming = ring.reader.take();
  ASSERT_TRUE(incoming);
  EXPECT_EQ(incoming->what, Incoming::What::control);
  EXPECT_EQ(incoming->control.word, Word::goodbye);
  EXPECT_EQ(to_hex(ring.at(512, 4)), to_hex(hex("06 00 00 00"))) << "all of it is released";
  EXPECT_FALSE(ring.writer.commit(13, 3));
}

TEST(RingRecords, ALoanThatDoesNotLieWholeInTheRingIsNone) {
  Ring ring;
  const auto largest = ring.writer.lend(kCapacity / 2 - 264, 0);
  ASSERT_TRUE(largest);
  EXPECT_TRUE(*largest);
  ring.writer.take_back();
  const auto larger = ring.writer.lend(kCapacity / 2 - 263, 0);
  ASSERT_TRUE(larger);
  EXPECT_FALSE(*larger);
}

TEST(RingRecords, RoomForAControlRecordIsKeptBehindALoan) {
  Random random;
  for (int round = 0; round < 300; ++round) {
    Ring ring;
    const std::vector<std::byte> bytes(4000);
    for (std::uint64_t moved = random.up_to(40); moved > 0; --moved) {
      ASSERT_TRUE(ring.put(std::span{bytes}.first(random.up_to(bytes.size()))));
      ASSERT_TRUE(ring.reader.take());
    }
    std::vector<Message> held;
    while (ring.put(std::span{bytes}.first(random.up_to(bytes.size()))) && random.up_to(20) != 0) {
      auto incoming = ring.reader.take();
      ASSERT_TRUE(incoming);
      held.push_back(std::move(incoming->message));
    }
    const auto lent = ring.writer.lend(random.up_to(bytes.size()), 0);
    if (!lent) continue;
    ASSERT_TRUE(ring.writer.put_control({.word = Word::goodbye_seen}, 0));
    ASSERT_TRUE(ring.writer.put_control({.word = Word::goodbye}, 0));
    std::ranges::fill(**lent, std::byte{0xFF});
    Result<Incoming> incoming = ring.reader.take();
    while (incoming && incoming->what == Incoming::What::message) incoming = ring.reader.take();
    ASSERT_TRUE(incoming);
    EXPECT_EQ(incoming->control.word, Word::goodbye_seen);
    incoming = ring.reader.take();
    ASSERT_TRUE(incoming);
    EXPECT_EQ(incoming->control.word, Word::goodbye);
  }
}

// ---- batches -------------------------------------------------------------------------------------------------------------

TEST(RingRecords, ABatchIsSeenAtOnceAndRungOnce) {
  Ring ring;
  ring.reader.announce();
  ring.writer.begin_batch();
  ASSERT_TRUE(ring.put(as_bytes("a"), 1));
  ASSERT_TRUE(ring.put(as_bytes("b"), 2));
  ASSERT_TRUE(ring.put(as_bytes("c"), 3));
  EXPECT_EQ(to_hex(ring.at(kRing0, 8)), to_hex(hex("00 00 00 00 | 00 00 00 00"))) << "the first header comes last";
  EXPECT_EQ(to_hex(ring.at(kRing0 + 16, 8)), to_hex(hex("01 00 00 04 | 02 00 00 00")));
  EXPECT_FALSE(ring.reader.take());
  EXPECT_EQ(ring.connecting->rings, 0U);
  ring.writer.end_batch();
  EXPECT_EQ(ring.connecting->rings, 1U);
  for (const std::string_view text : {"a", "b", "c"}) {
    const auto incoming = ring.reader.take();
    ASSERT_TRUE(incoming);
    EXPECT_EQ(as_text(incoming->message.bytes()), text);
  }
  EXPECT_FALSE(ring.reader.take());
  ring.writer.begin_batch();
  ring.writer.end_batch();
  EXPECT_FALSE(ring.reader.take()) << "an empty one";
}

TEST(RingRecords, BatchesGoThroughManyLaps) {
  Random random;
  Ring ring;
  std::vector<std::vector<std::byte>> sent;
  std::size_t next = 0;
  for (int round = 0; round < 2000; ++round) {
    ring.writer.begin_batch();
    for (std::uint64_t left = random.up_to(20); left > 0; --left) {
      auto bytes = random.bytes(random.up_to(1500));
      if (!ring.put(bytes)) break;
      sent.push_back(std::move(bytes));
    }
    ring.writer.end_batch();
    while (true) {
      const auto incoming = ring.reader.take();
      if (!incoming) break;
      ASSERT_LT(next, sent.size());
      ASSERT_TRUE(std::ranges::equal(incoming->message.bytes(), sent[next++]));
    }
    ASSERT_EQ(next, sent.size());
  }
}

TEST(RingRecords, WhoTrustsNobodyTakesCopiesAndGivesRoomBackAtOnce) {
  Ring ring;
  RingReader copying{ring.listening, 0, kMaxMessage, nullptr, true};
  ASSERT_TRUE(ring.put(as_bytes("hello")));
  const auto incoming = copying.take();
  ASSERT_TRUE(incoming);
  ring.write(kRing0 + 8, "00 00 00 00 00");
  EXPECT_EQ(as_text(incoming->message.bytes()), "hello");
  EXPECT_FALSE(incoming->message.shared());
  EXPECT_EQ(to_hex(ring.at(512, 4)), to_hex(hex("02 00 00 00"))) << "16 bytes are released";
}

TEST(RingRecords, RandomMessagesComeBackLetGoInAnyOrder) {
  Random random;
  Ring ring;
  std::vector<std::vector<std::byte>> sent;
  std::vector<Message> held;
  std::size_t next = 0;
  for (int round = 0; round < 3000; ++round) {
    auto bytes = random.bytes(random.up_to(random.up_to(9) == 0 ? 16'000 : 200));
    if (const auto put = ring.put(bytes)) {
      sent.push_back(std::move(bytes));
    } else {
      ASSERT_EQ(put.error().code, Errc::would_block);
    }
    while (random.up_to(2) != 0) {
      auto incoming = ring.reader.take();
      if (!incoming) break;
      ASSERT_LT(next, sent.size());
      ASSERT_TRUE(std::ranges::equal(incoming->message.bytes(), sent[next++]));
      held.push_back(std::move(incoming->message));
    }
    while (!held.empty() && random.up_to(1) != 0) {
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(random.up_to(held.size() - 1)));
    }
  }
  EXPECT_GT(next, 500U);
}

TEST(RingRecords, AMessageLargerThanTheRingFlowsThroughInPieces) {
  Random random;
  const auto bytes = random.bytes(500'000);
  Ring ring;
  std::span<const std::byte> part{bytes};
  OutgoingMessage message{{&part, 1}};
  Result<Incoming> incoming = Errc::would_block;
  for (int tries = 0; tries < 10'000 && !incoming; ++tries) {
    if (message.rest() != 0) {
      const auto put = ring.writer.put(message, 0);
      ASSERT_TRUE(put || put.error().code == Errc::would_block);
    }
    incoming = ring.reader.take();
  }
  ASSERT_TRUE(incoming);
  EXPECT_FALSE(incoming->message.shared());
  EXPECT_TRUE(std::ranges::equal(incoming->message.bytes(), bytes));
}

// A header has 26 bits for a length: in a large ring that is what limits a record.
TEST(RingRecords, AMessageBeyondTheLengthOfAHeaderGoesInPieces) {
  if constexpr (sizeof(void*) < 8) GTEST_SKIP() << "too large for this address space";
  constexpr std::size_t kLarge = std::size_t{256} << 20;
  constexpr std::size_t kMessage = std::size_t{64} << 20;  // 2^26: the first length that a header can't say
  struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
  };
  // Zeros that take memory only where they are written.
  const std::unique_ptr<void, Free> memory{std::calloc(1, region_size(kLarge))};
  const std::unique_ptr<void, Free> content{std::calloc(1, kMessage)};
  ASSERT_TRUE(memory && content);
  const auto region = std::make_shared<std::span<std::byte>>(static_cast<std::byte*>(memory.get()), region_size(kLarge));
  RingWriter writer{std::make_shared<FakeRegion>(region, false), 0};
  const std::span<const std::byte> bytes{static_cast<const std::byte*>(content.get()), kMessage};
  OutgoingMessage message{{&bytes, 1}};
  std::size_t offset = kRing0;
  std::size_t length = 0;
  while (message.rest() != 0) {
    const bool is_first = length == 0;
    const auto put = writer.put(message, 0);
    ASSERT_TRUE(put);
    const auto header = unpack(load_little<std::uint64_t>(region->data() + offset));
    ASSERT_TRUE(header);
    EXPECT_EQ(header->kind, message.rest() != 0 ? Kind::piece : Kind::last_piece) << is_first;
    length += header->length;
    offset += kHeaderSize + aligned(header->length);
  }
  EXPECT_EQ(length, kMessage);
}

}  // namespace
