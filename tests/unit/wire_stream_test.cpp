// Records in a stream: golden bytes both ways, as docs/protocol.md draws them, and hostile ones.
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/stream_records.hpp"
#include "unit/fake_links.hpp"
#include "unit/hex.hpp"
#include "unit/random.hpp"

namespace {

using namespace sluice;
using namespace sluice::core;
using sluice_test::FakeStream;
using sluice_test::hex;
using sluice_test::Random;
using sluice_test::StreamWire;
using sluice_test::to_hex;

constexpr std::size_t kMaxMessage = 200'000;
constexpr std::size_t kMaxHandles = 4;

struct Stream {
  std::shared_ptr<StreamWire> wire = std::make_shared<StreamWire>();
  StreamRecords records{std::make_unique<FakeStream>(wire), kMaxMessage, kMaxHandles};

  // Puts a message until it is through.
  void put(std::span<const std::byte> bytes, std::uint32_t back, std::span<const Handle> handles = {}) {
    OutgoingMessage message{{&bytes, 1}, handles};
    while (true) {
      const auto put = records.put(message, back);
      ASSERT_TRUE(put);
      if (*put) return;
    }
  }
};

// The golden stream: two messages, an empty one, a message in two pieces with a control record between, a goodbye.
constexpr std::string_view kGolden =
    "05 00 00 04 | 07 00 00 00 | 68 65 6c 6c 6f"                                        // data "hello", 7 were taken
    "00 00 00 04 | 07 00 00 00"                                                         // data, empty
    "02 00 00 08 | 08 00 00 00 | 61 62"                                                 // piece "ab"
    "10 00 00 14 | 08 00 00 00 | 10 00 00 00 | 02 00 00 00 | 00 00 00 00 00 00 00 00"   // control: ask, 2
    "01 00 00 0c | 09 00 00 00 | 63"                                                    // last piece "c"
    "10 00 00 14 | 09 00 00 00 | 13 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00";  // control: goodbye

TEST(StreamRecords, AMessageIsAHeaderAndItsBytes) {
  Stream stream;
  stream.put(as_bytes("hello"), 7);
  EXPECT_EQ(to_hex(stream.wire->outgoing), to_hex(hex("05 00 00 04 | 07 00 00 00 | 68 65 6c 6c 6f")));
}

TEST(StreamRecords, AnEmptyMessageIsAHeader) {
  Stream stream;
  stream.put({}, 0xFFFF'FFFF);
  EXPECT_EQ(to_hex(stream.wire->outgoing), to_hex(hex("00 00 00 04 | ff ff ff ff")));
}

TEST(StreamRecords, AControlRecordIsTwentyFourBytes) {
  Stream stream;
  ASSERT_TRUE(stream.records.put_control({.word = Word::finish}, 3));
  EXPECT_EQ(to_hex(stream.wire->outgoing),
            to_hex(hex("10 00 00 14 | 03 00 00 00 | 12 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00")));
}

TEST(StreamRecords, ARecordHasAtMost64KiBOfPayload) {
  Random random;
  const auto message = random.bytes(65'536 + 1);
  Stream stream;
  stream.put(message, 1);
  const auto& out = stream.wire->outgoing;
  ASSERT_EQ(out.size(), 8 + 65'536U + 8 + 1);
  EXPECT_EQ(to_hex(std::span{out}.first(8)), to_hex(hex("00 00 01 08 | 01 00 00 00")));            // piece of 65536
  EXPECT_EQ(to_hex(std::span{out}.subspan(65'544, 8)), to_hex(hex("01 00 00 0c | 01 00 00 00")));  // last piece of 1
  EXPECT_TRUE(std::ranges::equal(std::span{out}.subspan(8, 65'536), std::span{message}.first(65'536)));
  EXPECT_EQ(out.back(), message.back());
}

TEST(StreamRecords, AMessageThatFitsIsNotCut) {
  Stream stream;
  stream.put(std::vector<std::byte>(65'536), 0);
  EXPECT_EQ(to_hex(std::span{stream.wire->outgoing}.first(8)), to_hex(hex("00 00 01 04 | 00 00 00 00")));
  EXPECT_EQ(stream.wire->outgoing.size(), 65'544U);
}

// A message that has come whole and fits is put where the caller wants it, without memory of its own.
TEST(StreamRecords, AMessageMayBePutIntoTheCallersRoom) {
  Stream stream;
  const auto wire =
      hex("05 00 00 04 | 07 00 00 00 | 68 65 6c 6c 6f   02 00 00 04 | 07 00 00 00 | 68 69   00 00 00 04 | 07 00 00 00");
  stream.wire->incoming.assign(wire.begin(), wire.end());
  std::array<std::byte, 4> small{};
  std::array<std::byte, 5> room{};
  {
    const auto incoming = stream.records.take(small);
    ASSERT_TRUE(incoming);
    EXPECT_EQ(as_text(incoming->message.bytes()), "hello") << "in memory of its own: it doesn't fit";
    EXPECT_NE(incoming->message.bytes().data(), small.data());
  }
  {
    const auto incoming = stream.records.take(room);
    ASSERT_TRUE(incoming);
    EXPECT_EQ(as_text(incoming->message.bytes()), "hi");
    EXPECT_EQ(incoming->message.bytes().data(), room.data());
    EXPECT_EQ(incoming->back, 7U);
    EXPECT_FALSE(incoming->message.shared());
  }
  const auto empty = stream.records.take(room);
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->message.bytes().size(), 0U);
  EXPECT_EQ(stream.records.take(room).error().code, Errc::would_block);
}

void expect_message(StreamRecords& records, std::string_view text, std::uint32_t back) {
  const auto incoming = records.take();
  ASSERT_TRUE(incoming);
  ASSERT_EQ(incoming->what, Incoming::What::message);
  EXPECT_EQ(as_text(incoming->message.bytes()), text);
  EXPECT_EQ(incoming->back, back);
}

void expect_control(StreamRecords& records, const Control& control, std::uint32_t back) {
  const auto incoming = records.take();
  ASSERT_TRUE(incoming);
  ASSERT_EQ(incoming->what, Incoming::What::control);
  EXPECT_EQ(incoming->control, control);
  EXPECT_EQ(incoming->back, back);
}

TEST(StreamRecords, TheGoldenStreamIsReadInPiecesOfAnySize) {
  for (const std::size_t chunk : {std::size_t{1}, std::size_t{3}, std::size_t{8}, std::size_t{1} << 20}) {
    Stream stream;
    stream.wire->incoming = hex(kGolden);
    stream.wire->ends = true;
    stream.wire->chunk = chunk;
    expect_message(stream.records, "hello", 7);
    expect_message(stream.records, "", 7);
    expect_control(stream.records, {.word = Word::ask, .number = 2}, 8);
    expect_message(stream.records, "abc", 9);
    expect_control(stream.records, {.word = Word::goodbye}, 9);
    const auto end = stream.records.take();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->what, Incoming::What::end);
  }
}

// Takes until would_block, the end or an error; the error, if it was one. At most so many records are in the input.
std::optional<Error> take_all(StreamRecords& records) {
  for (int i = 0; i < 10'000; ++i) {
    const auto incoming = records.take();
    if (!incoming) return incoming.error();
    if (incoming->what == Incoming::What::end) return std::nullopt;
    if (incoming->message.bytes().size() > kMaxMessage) break;
  }
  ADD_FAILURE() << "more records than bytes";
  return std::nullopt;
}

TEST(StreamRecords, EveryPrefixWaitsForMore) {
  const auto whole = hex(kGolden);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    Stream stream;
    stream.wire->incoming.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const auto error = take_all(stream.records);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Errc::would_block) << size;
  }
}

TEST(StreamRecords, EveryChangedByteIsReadOrRefused) {
  const auto whole = hex(kGolden);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const unsigned flip : sluice_test::kFlips) {
      Stream stream;
      stream.wire->incoming = whole;
      stream.wire->incoming[at] ^= static_cast<std::byte>(flip);
      stream.wire->ends = true;
      const auto error = take_all(stream.records);
      if (error) {
        ASSERT_EQ(error->code, Errc::protocol_error) << at << ' ' << flip;
      }
    }
  }
}

TEST(StreamRecords, WhatNoPeerWritesIsAProtocolError) {
  for (const std::string_view bytes : {
           "00 00 00 00 | 00 00 00 00",                                                 // no record
           "00 00 00 10 | 00 00 00 00",                                                 // a filler
           "01 00 00 24 | 00 00 00 00 | 61",                                            // handles
           "01 00 00 44 | 00 00 00 00 | 61",                                            // home
           "01 00 00 84 | 00 00 00 00 | 61",                                            // a turn
           "01 00 01 04 | 00 00 00 00",                                                 // more than 64 KiB
           "00 00 00 08 | 00 00 00 00",                                                 // an empty piece
           "01 00 00 0c | 00 00 00 00 | 61",                                            // a last piece without a first
           "0f 00 00 14 | 00 00 00 00 | 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",  // a control record that is too short
           "01 01 00 14 | 00 00 00 00",                                                 // … and too long
           "01 00 00 08 | 00 00 00 00 | 61 | 01 00 00 04 | 00 00 00 00 | 62",           // a message within a message
       }) {
    Stream stream;
    stream.wire->incoming = hex(bytes);
    const auto error = take_all(stream.records);
    ASSERT_TRUE(error) << bytes;
    EXPECT_EQ(error->code, Errc::protocol_error) << bytes;
  }
}

TEST(StreamRecords, PiecesBeyondTheLargestMessageAreAProtocolError) {
  Stream stream;
  const auto header = hex("00 00 01 08 | 00 00 00 00");  // pieces of 65536: three fit into 200,000 bytes, a fourth doesn't
  for (int piece = 0; piece < 4; ++piece) {
    stream.wire->incoming.insert(stream.wire->incoming.end(), header.begin(), header.end());
    stream.wire->incoming.resize(stream.wire->incoming.size() + 65'536);
  }
  const auto error = take_all(stream.records);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::protocol_error);
  EXPECT_EQ(error->second, static_cast<std::int64_t>(kMaxMessage));
}

TEST(StreamRecords, RandomMessagesComeBackThroughAnyChunks) {
  Random random;
  for (int round = 0; round < 30; ++round) {
    std::vector<std::vector<std::byte>> messages;
    Stream out;
    for (int i = 0; i < 5; ++i) {
      messages.push_back(random.bytes(random.up_to(random.up_to(1) != 0 ? 100 : kMaxMessage)));
      out.put(messages.back(), 0);
    }
    Stream in;
    in.wire->incoming = out.wire->outgoing;
    in.wire->chunk = 1 + random.up_to(100'000);
    for (const auto& message : messages) {
      auto incoming = in.records.take();
      while (incoming && incoming->what != Incoming::What::message) incoming = in.records.take();  // there is more
      ASSERT_TRUE(incoming);
      ASSERT_TRUE(std::ranges::equal(incoming->message.bytes(), message));
    }
  }
}

// ---- batches -------------------------------------------------------------------------------------------------------------

// Messages whose bytes follow from their number.
struct OutgoingBatch {
  std::vector<std::vector<std::byte>> contents;
  std::vector<std::span<const std::byte>> parts;
  std::vector<OutgoingMessage> messages;

  explicit OutgoingBatch(std::vector<std::vector<std::byte>> bytes) : contents(std::move(bytes)) {
    for (const auto& content : contents) parts.emplace_back(content);
    for (const auto& part : parts) messages.emplace_back(std::span{&part, 1});
  }
};

TEST(StreamRecords, ABatchIsRecordsOneAfterTheOther) {
  Stream stream;
  OutgoingBatch batch{{hex("61 62"), {}, hex("63")}};
  const auto whole = stream.records.put_batch(batch.messages, 7);
  ASSERT_TRUE(whole);
  EXPECT_EQ(*whole, 3U);
  EXPECT_EQ(to_hex(stream.wire->outgoing),
            to_hex(hex("02 00 00 04 | 07 00 00 00 | 61 62 | 00 00 00 04 | 07 00 00 00 | 01 00 00 04 | 07 00 00 00 | 63")));
}

// Wherever a write ends, the next one goes on there; and what has begun is the tail's.
TEST(StreamRecords, ABatchGoesOnWhereAWriteHasEnded) {
  Random random;
  for (const std::size_t chunk : {1U, 3U, 8U, 9U, 10U, 17U, 100U, 70'000U}) {
    std::vector<std::vector<std::byte>> contents;
    for (int number = 0; number < 100; ++number)
      contents.push_back(random.bytes(random.up_to(99) == 0 ? 66'000 : random.up_to(20)));
    Stream one_by_one;
    for (const auto& content : contents) one_by_one.put(content, 5);
    Stream stream;
    stream.wire->chunk = chunk;
    OutgoingBatch batch{contents};
    for (std::size_t whole = 0; whole < batch.messages.size();) {
      const auto put = stream.records.put_batch(std::span{batch.messages}.subspan(whole), 5);
      ASSERT_TRUE(put);
      whole += *put;
      ASSERT_EQ(whole == 0 || batch.messages[whole - 1].rest() == 0, true);
    }
    ASSERT_EQ(to_hex(stream.wire->outgoing), to_hex(one_by_one.wire->outgoing)) << chunk;
  }
}

TEST(StreamRecords, ABatchStopsWhereThereIsNoRoom) {
  Stream stream;
  stream.wire->room = 10 + 3;
  OutgoingBatch batch{{hex("61 62"), hex("63 64")}};
  const auto whole = stream.records.put_batch(batch.messages, 0);
  ASSERT_TRUE(whole);
  EXPECT_EQ(*whole, 1U);
  EXPECT_TRUE(batch.messages[1].started());
  EXPECT_EQ(batch.messages[1].rest(), 2U);
  EXPECT_EQ(stream.records.put_control({.word = Word::goodbye}, 0).error().code, Errc::would_block);
  stream.wire->room = 100;
  const auto rest = stream.records.put(batch.messages[1], 9);
  ASSERT_TRUE(rest);
  EXPECT_TRUE(*rest);
  EXPECT_EQ(to_hex(stream.wire->outgoing),
            to_hex(hex("02 00 00 04 | 00 00 00 00 | 61 62 | 02 00 00 04 | 00 00 00 00 | 63 64")));
}

}  // namespace
