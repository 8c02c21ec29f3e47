// Records in packets: golden bytes both ways, as docs/protocol.md draws them, and hostile ones.
#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/packet_records.hpp"
#include "unit/fake_links.hpp"
#include "unit/hex.hpp"
#include "unit/random.hpp"

namespace {

using namespace sluice;
using namespace sluice::core;
using sluice_test::FakePackets;
using sluice_test::hex;
using sluice_test::PacketWire;
using sluice_test::Random;
using sluice_test::to_hex;

constexpr std::size_t kMaxMessage = 1000;

struct Packets {
  std::shared_ptr<PacketWire> wire = std::make_shared<PacketWire>();
  PacketRecords records{std::make_unique<FakePackets>(wire), kMaxMessage};

  void put(std::span<const std::byte> bytes, std::uint32_t back) {
    OutgoingMessage message{{&bytes, 1}};
    while (true) {
      const auto put = records.put(message, back);
      ASSERT_TRUE(put);
      if (*put) return;
    }
  }
  // Takes until would_block, the end or an error: the error, if it was one.
  std::optional<Error> take_all() {
    for (int i = 0; i < 1000; ++i) {
      const auto incoming = records.take();
      if (!incoming) return incoming.error();
      if (incoming->what == Incoming::What::end) return std::nullopt;
    }
    ADD_FAILURE() << "more records than packets";
    return std::nullopt;
  }
};

// A message, one in two pieces with a control record between, a goodbye.
const std::vector<std::string_view> kGolden{
    "05 00 00 04 | 07 00 00 00 | 00 00 00 00 | 68 65 6c 6c 6f",
    "02 00 00 08 | 08 00 00 00 | 01 00 00 00 | 61 62",
    "10 00 00 14 | 08 00 00 00 | 02 00 00 00 | 10 00 00 00 | 02 00 00 00 | 00 00 00 00 00 00 00 00",
    "01 00 00 0c | 09 00 00 00 | 03 00 00 00 | 63",
    "10 00 00 14 | 09 00 00 00 | 04 00 00 00 | 13 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00",
};

std::vector<std::vector<std::byte>> golden() {
  std::vector<std::vector<std::byte>> packets;
  packets.reserve(kGolden.size());
  for (const auto text : kGolden) packets.push_back(hex(text));
  return packets;
}

TEST(PacketRecords, EachPacketIsAHeaderItsNumberAndThePayload) {
  Packets packets;
  packets.put(as_bytes("hello"), 7);
  ASSERT_TRUE(packets.records.put_control({.word = Word::finish}, 8));
  packets.put({}, 8);
  ASSERT_EQ(packets.wire->outgoing.size(), 3U);
  EXPECT_EQ(to_hex(packets.wire->outgoing[0]), to_hex(hex("05 00 00 04 | 07 00 00 00 | 00 00 00 00 | 68 65 6c 6c 6f")));
  EXPECT_EQ(to_hex(packets.wire->outgoing[1]),
            to_hex(hex("10 00 00 14 | 08 00 00 00 | 01 00 00 00 | 12 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00")));
  EXPECT_EQ(to_hex(packets.wire->outgoing[2]), to_hex(hex("00 00 00 04 | 08 00 00 00 | 02 00 00 00")));
}

TEST(PacketRecords, AMessageIsCutIntoPacketsOfTheLink) {
  Random random;
  const auto message = random.bytes(2 * (128 - 12) + 1);
  Packets packets;
  packets.put(message, 1);
  const auto& out = packets.wire->outgoing;
  ASSERT_EQ(out.size(), 3U);
  EXPECT_EQ(out[0].size(), 128U);
  EXPECT_EQ(out[1].size(), 128U);
  EXPECT_EQ(to_hex(std::span{out[0]}.first(12)), to_hex(hex("74 00 00 08 | 01 00 00 00 | 00 00 00 00")));
  EXPECT_EQ(to_hex(std::span{out[1]}.first(12)), to_hex(hex("74 00 00 08 | 01 00 00 00 | 01 00 00 00")));
  EXPECT_EQ(to_hex(std::span{out[2]}.first(12)), to_hex(hex("01 00 00 0c | 01 00 00 00 | 02 00 00 00")));
  EXPECT_TRUE(std::ranges::equal(std::span{out[0]}.subspan(12), std::span{message}.first(116)));
  EXPECT_EQ(out[2].back(), message.back());
}

TEST(PacketRecords, TheGoldenPacketsAreRead) {
  Packets packets;
  packets.wire->incoming = golden();
  packets.wire->ends = true;
  const auto hello = packets.records.take();
  ASSERT_TRUE(hello);
  EXPECT_EQ(as_text(hello->message.bytes()), "hello");
  EXPECT_EQ(hello->back, 7U);
  const auto ask = packets.records.take();
  ASSERT_TRUE(ask);
  EXPECT_EQ(ask->control, (Control{.word = Word::ask, .number = 2}));
  const auto abc = packets.records.take();
  ASSERT_TRUE(abc);
  EXPECT_EQ(as_text(abc->message.bytes()), "abc");
  const auto goodbye = packets.records.take();
  ASSERT_TRUE(goodbye);
  EXPECT_EQ(goodbye->control.word, Word::goodbye);
  EXPECT_EQ(packets.records.take()->what, Incoming::What::end);
}

TEST(PacketRecords, WhatComesTwiceIsDropped) {
  Packets packets;
  for (const auto& packet : golden()) {
    packets.wire->incoming.push_back(packet);
    packets.wire->incoming.push_back(packet);
  }
  packets.wire->incoming.push_back(golden().front());
  packets.wire->ends = true;
  int records = 0;
  while (true) {
    const auto incoming = packets.records.take();
    ASSERT_TRUE(incoming);
    if (incoming->what == Incoming::What::end) break;
    ++records;
  }
  EXPECT_EQ(records, 4);
}

TEST(PacketRecords, WhatIsMissingIsAProtocolError) {
  for (std::size_t missing = 0; missing + 1 < kGolden.size(); ++missing) {
    Packets packets;
    packets.wire->incoming = golden();
    packets.wire->incoming.erase(packets.wire->incoming.begin() + static_cast<std::ptrdiff_t>(missing));
    const auto error = packets.take_all();
    ASSERT_TRUE(error) << missing;
    EXPECT_EQ(error->code, Errc::protocol_error) << missing;
  }
}

TEST(PacketRecords, EveryOtherLengthIsAProtocolError) {
  for (std::size_t which = 0; which < kGolden.size(); ++which) {
    const std::size_t whole = golden()[which].size();
    for (std::size_t size = 0; size <= whole + 4; ++size) {
      if (size == whole) continue;
      Packets packets;
      packets.wire->incoming = golden();
      packets.wire->incoming[which].resize(size);
      const auto error = packets.take_all();
      ASSERT_TRUE(error) << which << ' ' << size;
      EXPECT_EQ(error->code, Errc::protocol_error) << which << ' ' << size;
    }
  }
}

TEST(PacketRecords, EveryChangedByteIsReadOrRefused) {
  for (std::size_t which = 0; which < kGolden.size(); ++which) {
    for (std::size_t at = 0; at < golden()[which].size(); ++at) {
      for (const unsigned flip : sluice_test::kFlips) {
        Packets packets;
        packets.wire->incoming = golden();
        packets.wire->incoming[which][at] ^= static_cast<std::byte>(flip);
        packets.wire->ends = true;
        const auto error = packets.take_all();
        if (error) {
          ASSERT_EQ(error->code, Errc::protocol_error);
        }
      }
    }
  }
}

TEST(PacketRecords, ARepeatingPeerDoesNotKeepTheCall) {
  Packets packets;
  packets.wire->incoming.assign(10'000, hex("01 00 00 04 | 00 00 00 00 | ff ff ff ff | 61"));  // number -1: came before
  const auto incoming = packets.records.take();
  EXPECT_TRUE(!incoming || (incoming->what != Incoming::What::message && incoming->what != Incoming::What::end));
  EXPECT_LT(packets.wire->taken, packets.wire->incoming.size());
}

TEST(PacketRecords, RandomMessagesComeBack) {
  Random random;
  Packets out;
  std::vector<std::vector<std::byte>> messages;
  constexpr std::size_t kMessages = 300;
  messages.reserve(kMessages);
  for (std::size_t i = 0; i < kMessages; ++i) {
    messages.push_back(random.bytes(random.up_to(kMaxMessage)));
    out.put(messages.back(), 0);
  }
  Packets in;
  in.wire->incoming = out.wire->outgoing;
  for (const auto& message : messages) {
    const auto incoming = in.records.take();
    ASSERT_TRUE(incoming);
    ASSERT_TRUE(std::ranges::equal(incoming->message.bytes(), message));
  }
}

TEST(PacketRecords, ABatchOfMessagesIsOneSend) {
  Packets packets;
  packets.wire->max_packet = 128;
  const std::vector<std::byte> long_one(150, std::byte{0x62});  // of 116 and 34
  const std::array<std::span<const std::byte>, 3> parts{as_bytes("a"), long_one, as_bytes("")};
  std::vector<OutgoingMessage> messages;
  for (const auto& part : parts) messages.emplace_back(std::span{&part, 1});
  const auto whole = packets.records.put_batch(messages, 7);
  ASSERT_TRUE(whole);
  EXPECT_EQ(*whole, 3U);
  ASSERT_EQ(packets.wire->outgoing.size(), 4U);
  EXPECT_EQ(to_hex(packets.wire->outgoing[0]), to_hex(hex("01 00 00 04 | 07 00 00 00 | 00 00 00 00 | 61")));
  EXPECT_EQ(to_hex(std::span{packets.wire->outgoing[1]}.first(13)),
            to_hex(hex("74 00 00 08 | 07 00 00 00 | 01 00 00 00 | 62")));
  EXPECT_EQ(to_hex(std::span{packets.wire->outgoing[2]}.first(13)),
            to_hex(hex("22 00 00 0c | 07 00 00 00 | 02 00 00 00 | 62")));
  EXPECT_EQ(to_hex(packets.wire->outgoing[3]), to_hex(hex("00 00 00 04 | 07 00 00 00 | 03 00 00 00")));
}

}  // namespace
