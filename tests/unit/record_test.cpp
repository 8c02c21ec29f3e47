// Record headers and control records: golden bytes written by hand from the layout in docs/protocol.md, limits, round trips,
// hostile input.
#include "core/record.hpp"

#include <array>

#include <gtest/gtest.h>

#include "unit/hex.hpp"
#include "unit/random.hpp"

namespace {

using namespace sluice;
using namespace sluice::core;
using sluice_test::hex;
using sluice_test::Random;
using sluice_test::to_hex;

struct GoldenHeader {
  std::string_view bytes;
  RecordHeader header;
};

// Low half: length, kind << 26, H << 29, h << 30; upper half: back.
const std::array kGoldenHeaders{
    GoldenHeader{"05 00 00 04 | 44 33 22 11", {.length = 5, .kind = Kind::data, .back = 0x11223344}},
    GoldenHeader{"00 00 00 04 | 00 00 00 00", {.length = 0, .kind = Kind::data}},
    GoldenHeader{"ff ff ff 07 | ff ff ff ff", {.length = 0x03FF'FFFF, .kind = Kind::data, .back = 0xFFFF'FFFF}},
    GoldenHeader{"f8 ff 00 08 | 01 00 00 00", {.length = 65'528, .kind = Kind::piece, .back = 1}},
    GoldenHeader{"01 00 00 0c | 02 00 00 00", {.length = 1, .kind = Kind::last_piece, .back = 2}},
    GoldenHeader{"00 00 00 10 | 00 00 00 80", {.length = 0, .kind = Kind::filler, .back = 0x8000'0000}},
    GoldenHeader{"10 00 00 14 | 03 00 00 00", {.length = 16, .kind = Kind::control, .back = 3}},
    GoldenHeader{"01 00 00 24 | 00 00 00 00", {.length = 1, .kind = Kind::data, .handles = true}},
    GoldenHeader{"01 00 00 44 | 00 00 00 00", {.length = 1, .kind = Kind::data, .home = true}},
    GoldenHeader{"02 00 00 6c | 00 00 00 00", {.length = 2, .kind = Kind::last_piece, .handles = true, .home = true}},
};

TEST(RecordHeader, PacksIntoTheGoldenBytes) {
  for (const auto& golden : kGoldenHeaders) {
    std::array<std::byte, kHeaderSize> bytes{};
    store_little(bytes.data(), pack(golden.header));
    EXPECT_EQ(to_hex(bytes), to_hex(hex(golden.bytes)));
  }
}

TEST(RecordHeader, UnpacksTheGoldenBytes) {
  for (const auto& golden : kGoldenHeaders) {
    const auto header = unpack(load_little<std::uint64_t>(hex(golden.bytes).data()));
    ASSERT_TRUE(header) << golden.bytes;
    EXPECT_EQ(*header, golden.header) << golden.bytes;
  }
}

TEST(RecordHeader, WhatNoPeerWritesIsNoHeader) {
  for (const std::string_view bytes : {
           "00 00 00 00 | 00 00 00 00",  // no record
           "05 00 00 00 | 44 33 22 11",  // kind 0
           "05 00 00 18 | 00 00 00 00",  // kind 6
           "05 00 00 1c | 00 00 00 00",  // kind 7
           "05 00 00 84 | 00 00 00 00",  // a turn
           "ff ff ff ff | ff ff ff ff",
       }) {
    EXPECT_FALSE(unpack(load_little<std::uint64_t>(hex(bytes).data()))) << bytes;
  }
}

TEST(RecordHeader, RandomOnesComeBackAsTheyWere) {
  Random random;
  for (int round = 0; round < 10'000; ++round) {
    const RecordHeader header{static_cast<std::uint32_t>(random.up_to(kLengthMask)), static_cast<Kind>(1 + random.up_to(4)),
                              random.up_to(1) != 0, random.up_to(1) != 0, static_cast<std::uint32_t>(random.number())};
    const auto again = unpack(pack(header));
    ASSERT_TRUE(again);
    ASSERT_EQ(*again, header);
  }
}

TEST(RecordHeader, WhateverUnpacksPacksToTheSameBits) {
  Random random;
  for (int round = 0; round < 100'000; ++round) {
    const std::uint64_t packed = random.number();
    const auto header = unpack(packed);
    if (header) {
      ASSERT_EQ(pack(*header), packed);
    }
  }
}

TEST(RecordHeader, EveryChangedByteIsReadOrRefused) {
  for (const auto& golden : kGoldenHeaders) {
    for (std::size_t at = 0; at < kHeaderSize; ++at) {
      for (unsigned flip = 1; flip <= 0xFF; ++flip) {
        auto bytes = hex(golden.bytes);
        bytes[at] ^= static_cast<std::byte>(flip);
        const auto header = unpack(load_little<std::uint64_t>(bytes.data()));
        if (header) {
          ASSERT_NE(*header, golden.header);
        }
        if (at != 3) {
          ASSERT_TRUE(header);  // only byte 3 holds what can be wrong
        }
      }
    }
  }
}

TEST(Control, EncodesTheGoldenBytes) {
  const auto expect = [](const Control& control, std::string_view golden) {
    EXPECT_EQ(to_hex(encode(control)), to_hex(hex(golden)));
    const auto again = decode_control(hex(golden));
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, control);
  };
  expect({.word = Word::offer, .value = 3}, "01 00 00 00 | 00 00 00 00 | 03 00 00 00 00 00 00 00");
  expect({.word = Word::refuse, .number = 8, .value = 0x0000'000A'0000'000D},
         "02 00 00 00 | 08 00 00 00 | 0d 00 00 00 0a 00 00 00");
  expect({.word = Word::ready}, "03 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00");
  expect({.word = Word::ask, .number = 0x0102'0304}, "10 00 00 00 | 04 03 02 01 | 00 00 00 00 00 00 00 00");
  expect({.word = Word::taken, .number = 7}, "11 00 00 00 | 07 00 00 00 | 00 00 00 00 00 00 00 00");
  expect({.word = Word::finish}, "12 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00");
  expect({.word = Word::goodbye}, "13 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00");
  expect({.word = Word::goodbye_seen}, "14 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00");
}

TEST(Control, EveryShorterLengthIsRefused) {
  const auto whole = encode(Control{.word = Word::ask, .number = 1, .value = 2});
  for (std::size_t size = 0; size < kControlSize; ++size) {
    const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(decode_control(part)) << size;
  }
}

TEST(Control, WhatFollowsTheSixteenBytesIsLeftToTheReader) {
  auto bytes = hex("01 00 00 00 | 00 00 00 00 | 01 00 00 00 00 00 00 00");
  bytes.resize(24, std::byte{0xFF});
  const auto control = decode_control(bytes);
  ASSERT_TRUE(control);
  EXPECT_EQ(*control, (Control{.word = Word::offer, .value = 1}));
}

TEST(Control, RandomOnesComeBackAsTheyWere) {
  Random random;
  for (int round = 0; round < 10'000; ++round) {
    const auto bytes = random.bytes(kControlSize);
    const auto control = decode_control(bytes);  // an unknown word is for the session to judge
    ASSERT_TRUE(control);
    ASSERT_EQ(to_hex(encode(*control)), to_hex(bytes));
  }
}

TEST(LittleEndian, StoresAndLoadsAtAnyAlignment) {
  std::array<std::byte, 16> bytes{};
  for (std::size_t at = 0; at < 8; ++at) {
    store_little(bytes.data() + at, std::uint64_t{0x8877'6655'4433'2211});
    EXPECT_EQ(bytes[at], std::byte{0x11});
    EXPECT_EQ(bytes[at + 7], std::byte{0x88});
    EXPECT_EQ(load_little<std::uint64_t>(bytes.data() + at), 0x8877'6655'4433'2211);
    EXPECT_EQ(load_little<std::uint32_t>(bytes.data() + at), 0x4433'2211U);
    EXPECT_EQ(load_little<std::uint16_t>(bytes.data() + at), 0x2211U);
    EXPECT_EQ(load_little<std::uint8_t>(bytes.data() + at), 0x11U);
  }
}

}  // namespace
