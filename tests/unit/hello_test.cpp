// The hello: golden bytes written by hand from the layout that docs/protocol.md draws, every field's limits, and what a
// hostile peer may send: at every length, and with every byte changed, nothing but a protocol_error comes of it.
#include "core/hello.hpp"

#include <algorithm>
#include <limits>

#include <gtest/gtest.h>

#include "core/record.hpp"
#include "unit/hex.hpp"
#include "unit/random.hpp"

namespace {

using namespace sluice;
using namespace sluice::core;
using sluice_test::hex;
using sluice_test::Random;
using sluice_test::to_hex;

constexpr std::string_view kMagic = "53 4c 55 49 43 45 0d 0a";

// 64 MiB, library "sluice 0.1.0", ids a0 … af.
constexpr std::string_view kGolden =
    "53 4c 55 49 43 45 0d 0a"                               //  0 magic
    "00 00 | 00 00 | 50 00 00 00"                           //  8 versions 0 to 0, 80 bytes in all
    "00 00 00 00 00 00 00 00"                               // 16 features required
    "00 00 00 00 00 00 00 00"                               // 24 features offered
    "00 00 00 04 00 00 00 00"                               // 32 largest message
    "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 aa ab ac ad ae af"       // 40 channel id
    "01 | 08 | 00 00 00 00 00 00"                           // 56 little-endian, 8 bytes a word, zeros
    "01 00 | 0c 00 | 73 6c 75 69 63 65 20 30 2e 31 2e 30";  // 64 item 1, 12 bytes

Hello golden() {
  Hello hello;
  hello.largest_message = std::uint64_t{64} << 20;
  for (std::size_t i = 0; i < hello.channel_id.size(); ++i) hello.channel_id[i] = static_cast<std::byte>(0xA0 + i);
  hello.byte_order = 1;
  hello.word_size = 8;
  hello.library = "sluice 0.1.0";
  return hello;
}

// The golden hello without items, with other ones behind it, and its total size set.
std::vector<std::byte> with_items(std::string_view items) {
  auto bytes = hex(kGolden);
  bytes.resize(kHelloFixedSize);
  const auto more = hex(items);
  bytes.insert(bytes.end(), more.begin(), more.end());
  store_little(bytes.data() + 12, static_cast<std::uint32_t>(bytes.size()));
  return bytes;
}

// With a little-endian number put at an offset.
template <class Integer>
std::vector<std::byte> golden_with(std::size_t at, Integer value) {
  auto bytes = hex(kGolden);
  store_little(bytes.data() + at, value);
  return bytes;
}

// The whole outcome in a line: what was read, or which error.
void expect_protocol_error(std::span<const std::byte> bytes, std::int64_t first = 0, std::int64_t second = 0) {
  const auto hello = decode_hello(bytes);
  ASSERT_FALSE(hello) << to_hex(bytes);
  EXPECT_EQ(hello.error().code, Errc::protocol_error);
  EXPECT_EQ(hello.error().step, Step::hello);
  EXPECT_EQ(hello.error().first, first);
  EXPECT_EQ(hello.error().second, second);
}

TEST(Hello, EncodesTheGoldenBytes) { EXPECT_EQ(to_hex(encode(golden())), to_hex(hex(kGolden))); }

TEST(Hello, DecodesTheGoldenBytes) {
  const auto hello = decode_hello(hex(kGolden));
  ASSERT_TRUE(hello);
  EXPECT_EQ(*hello, golden());
}

TEST(Hello, PutsEachFieldAtItsOffset) {
  Hello hello;
  hello.lowest_version = 0x0102;
  hello.highest_version = 0x0304;
  hello.features_required = 0x1112131415161718;
  hello.features_offered = 0x2122232425262728;
  hello.largest_message = 0x3132333435363738;
  hello.channel_id.fill(std::byte{0xEE});
  hello.byte_order = 2;
  hello.word_size = 4;
  hello.library = "";
  EXPECT_EQ(to_hex(encode(hello)), to_hex(hex("53 4c 55 49 43 45 0d 0a"
                                              "02 01 | 04 03 | 40 00 00 00"
                                              "18 17 16 15 14 13 12 11"
                                              "28 27 26 25 24 23 22 21"
                                              "38 37 36 35 34 33 32 31"
                                              "ee ee ee ee ee ee ee ee ee ee ee ee ee ee ee ee"
                                              "02 | 04 | 00 00 00 00 00 00")));
}

TEST(Hello, OursSaysWhatThisBuildIs) {
  std::array<std::byte, 16> id{};
  id.fill(std::byte{7});
  const Hello hello = our_hello(12345, id);
  EXPECT_EQ(hello.lowest_version, 0);
  EXPECT_EQ(hello.highest_version, 0);
  EXPECT_EQ(hello.features_required, 0U);
  EXPECT_EQ(hello.largest_message, 12345U);
  EXPECT_EQ(hello.channel_id, id);
  EXPECT_EQ(hello.byte_order, std::endian::native == std::endian::little ? 1 : 2);
  EXPECT_EQ(hello.word_size, sizeof(void*));
  EXPECT_EQ(hello.library.substr(0, 7), "sluice ");
  const auto again = decode_hello(encode(hello));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, hello);
}

TEST(Hello, SizeIsReadFromTheFixedPart) {
  const auto golden_bytes = hex(kGolden);
  const auto size = hello_size(std::span{golden_bytes}.first<kHelloFixedSize>());
  ASSERT_TRUE(size);
  EXPECT_EQ(*size, 80U);
}

TEST(Hello, SizeHasLimits) {
  for (const std::uint32_t good : {64U, 72U, 4088U, 4096U}) {
    const auto bytes = golden_with(12, good);
    EXPECT_TRUE(hello_size(std::span{bytes}.first<kHelloFixedSize>())) << good;
  }
  for (const std::uint32_t bad : {0U, 8U, 56U, 63U, 65U, 71U, 4095U, 4097U, 4104U, 0x80000000U, 0xFFFFFFF8U, 0xFFFFFFFFU}) {
    const auto bytes = golden_with(12, bad);
    const auto size = hello_size(std::span{bytes}.first<kHelloFixedSize>());
    ASSERT_FALSE(size) << bad;
    EXPECT_EQ(size.error().code, Errc::protocol_error);
    EXPECT_EQ(size.error().step, Step::hello);
    expect_protocol_error(bytes);
  }
}

TEST(Hello, AStrangerIsAProtocolError) {
  const std::string request = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: somebody/1.0 (else)\r\n\r\n";
  expect_protocol_error(std::as_bytes(std::span{request}));
  expect_protocol_error(hex(kMagic));
  expect_protocol_error({});
}

TEST(Hello, VersionsWithoutOverlapNameBoth) {
  static_assert(kLowestVersion == 0 && kHighestVersion == 0, "adapt the numbers below");
  expect_protocol_error(golden_with(8, std::uint32_t{0x0003'0001}), 0x0001'0003, 0);
  expect_protocol_error(golden_with(8, std::uint32_t{0xFFFF'FFFF}), 0xFFFF'FFFF, 0);
}

TEST(Hello, VersionsThatOverlapAreAgreedOn) {
  const auto hello = decode_hello(golden_with(8, std::uint32_t{0xFFFF'0000}));
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->highest_version, 0xFFFF);
}

TEST(Hello, ALowestVersionAboveTheHighestIsNoHello) { expect_protocol_error(golden_with(8, std::uint32_t{0x0000'0001})); }

TEST(Hello, RequiredFeaturesThatWeDontHaveAreNamed) {
  expect_protocol_error(golden_with(16, std::uint64_t{0x8000'0000'0000'0001}), -1,
                        std::numeric_limits<std::int64_t>::min() + 1);
  EXPECT_TRUE(decode_hello(golden_with(24, ~std::uint64_t{0}))) << "offered features are only offered";
}

TEST(Hello, LargestMessageMayBeAnything) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()}) {
    const auto hello = decode_hello(golden_with(32, size));
    ASSERT_TRUE(hello);
    EXPECT_EQ(hello->largest_message, size);
  }
}

TEST(Hello, ByteOrderWordSizeAndZerosAreChecked) {
  EXPECT_TRUE(decode_hello(golden_with(56, std::uint8_t{2})));
  for (const unsigned order : {0U, 3U, 255U}) expect_protocol_error(golden_with(56, static_cast<std::uint8_t>(order)));
  EXPECT_TRUE(decode_hello(golden_with(57, std::uint8_t{4})));
  for (const unsigned word : {0U, 3U, 255U}) expect_protocol_error(golden_with(57, static_cast<std::uint8_t>(word)));
  for (std::size_t at = 58; at < 64; ++at) expect_protocol_error(golden_with(at, std::uint8_t{1}));
}

TEST(Hello, UnknownItemsAreSkipped) {
  const auto hello =
      decode_hello(with_items("ff 00 | 03 00 | aa bb cc 00"  // 3 bytes and a zero
                              "00 00 | 00 00 | 00 00 00 00"  // nothing, padded to 8
                              "01 00 | 03 00 | 61 62 63 00"  // the library: abc
                              "ff ff | 05 00 | 01 02 03 04 05 00 00 00 00 00 00 00"));
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->library, "abc");
}

TEST(Hello, TheNumberOfHandlesIsAnItemWhereThereAreSome) {
  Hello hello = golden();
  hello.max_handles = 0x0102'0304;
  const auto bytes = encode(hello);
  ASSERT_EQ(bytes.size(), 88U);
  EXPECT_EQ(to_hex(std::span{bytes}.subspan(80)), to_hex(hex("02 00 | 04 00 | 04 03 02 01")));
  const auto again = decode_hello(bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, hello);
  hello.library.assign(100'000, 'x');
  const auto longest = encode(hello);
  EXPECT_EQ(longest.size(), kHelloLimit);
  ASSERT_TRUE(decode_hello(longest));
  EXPECT_EQ(decode_hello(longest)->max_handles, hello.max_handles);
}

TEST(Hello, ThePartIsAnItemUnlessItConnects) {
  Hello hello = golden();
  hello.part = Part::listens;
  const auto listens = encode(hello);
  EXPECT_EQ(to_hex(std::span{listens}.subspan(80)), to_hex(hex("03 00 | 04 00 | 01 00 00 00")));
  hello.part = Part::either;
  hello.max_handles = 7;
  const auto bytes = encode(hello);
  EXPECT_EQ(to_hex(std::span{bytes}.subspan(80)), to_hex(hex("02 00 | 04 00 | 07 00 00 00 | 03 00 | 04 00 | 02 00 00 00")));
  const auto again = decode_hello(bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, hello);
  hello.library.assign(100'000, 'x');
  EXPECT_EQ(encode(hello).size(), kHelloLimit);
  ASSERT_TRUE(decode_hello(encode(hello)));
}

TEST(Hello, AHelloWithoutItemsIsWhole) {
  const auto hello = decode_hello(with_items(""));
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->library, "");
}

TEST(Hello, BrokenItemsAreRefused) {
  expect_protocol_error(with_items("ff 00 | 05 00 | 00 00 00 00"));  // longer than what is left
  expect_protocol_error(with_items("ff 00 | ff ff | 00 00 00 00"));
  expect_protocol_error(with_items("ff 00 | 03 00 | 00 00 00 01"));  // its padding isn't zero
  expect_protocol_error(with_items("01 00 | 04 00 | 61 1b 5b 6d"));  // a terminal would obey
  expect_protocol_error(with_items("01 00 | 04 00 | 61 00 62 63"));
  expect_protocol_error(with_items("01 00 | 04 00 | c3 a4 62 63"));
  expect_protocol_error(with_items("01 00 | 01 00 | 61 00 00 00 | 01 00 | 01 00 | 62 00 00 00"));  // twice
  expect_protocol_error(with_items("02 00 | 03 00 | 10 00 00 00"));                                // a number of another size
  expect_protocol_error(with_items("02 00 | 00 00 | 00 00 00 00"));
  expect_protocol_error(with_items("02 00 | 08 00 | 10 00 00 00 00 00 00 00 00 00 00 00"));
  expect_protocol_error(with_items("02 00 | 04 00 | 10 00 00 00 | 02 00 | 04 00 | 10 00 00 00"));
  for (const auto* part : {"00", "03", "ff"})
    expect_protocol_error(with_items("03 00 | 04 00 | " + std::string{part} + " 00 00 00"));
  expect_protocol_error(with_items("03 00 | 04 00 | 01 00 00 01"));
  expect_protocol_error(with_items("03 00 | 02 00 | 01 00 00 00"));
  expect_protocol_error(with_items("03 00 | 04 00 | 01 00 00 00 | 03 00 | 04 00 | 01 00 00 00"));  // twice
}

TEST(Hello, TheLargestItemFits) {
  auto hello = golden();
  hello.library.assign(kHelloLimit - kHelloFixedSize - 4, 'x');
  const auto bytes = encode(hello);
  EXPECT_EQ(bytes.size(), kHelloLimit);
  const auto again = decode_hello(bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, hello);
}

TEST(Hello, ALongerLibraryIsCut) {
  auto hello = golden();
  hello.library.assign(100'000, 'x');
  const auto bytes = encode(hello);
  EXPECT_EQ(bytes.size(), kHelloLimit);
  EXPECT_TRUE(decode_hello(bytes));
}

TEST(Hello, RandomOnesComeBackAsTheyWere) {
  Random random;
  for (int round = 0; round < 2'000; ++round) {
    Hello hello;
    hello.highest_version = static_cast<std::uint16_t>(random.up_to(0xFFFF));
    hello.features_offered = random.number();
    hello.largest_message = random.number();
    std::ranges::copy(random.bytes(16), hello.channel_id.begin());
    hello.byte_order = static_cast<std::uint8_t>(1 + random.up_to(1));
    hello.word_size = static_cast<std::uint8_t>(4U << random.up_to(2));
    hello.max_handles = static_cast<std::uint32_t>(random.up_to(0xFFFF'FFFF));
    hello.library = random.text(200, ' ', '~');
    const auto again = decode_hello(encode(hello));
    ASSERT_TRUE(again);
    ASSERT_EQ(*again, hello);
  }
}

TEST(Hello, EveryOtherLengthIsRefused) {
  const auto whole = hex(kGolden);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    expect_protocol_error(std::vector<std::byte>(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
  }
  auto longer = whole;
  for (int more = 0; more < 16; ++more) {
    longer.push_back(std::byte{0});
    expect_protocol_error(longer);
  }
}

TEST(Hello, EveryChangedByteIsReadOrRefused) {
  const auto whole = hex(kGolden);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (unsigned flip = 1; flip <= 0xFF; ++flip) {
      auto bytes = whole;
      bytes[at] ^= static_cast<std::byte>(flip);
      const auto hello = decode_hello(bytes);
      const bool free = at >= 24 && at < 56;  // offered features, largest message, channel id
      const bool fixed = at < 8 || (at >= 12 && at < 24) || (at >= 58 && at < 64) || at == 66 || at == 67;
      ASSERT_FALSE(free && !hello) << at << ": " << to_hex(bytes);
      ASSERT_FALSE(fixed && hello) << at << ": " << to_hex(bytes);
      if (!hello) {
        ASSERT_EQ(hello.error().code, Errc::protocol_error);
      }
    }
  }
}

TEST(Hello, RandomBytesBehindTheMagicAreReadOrRefused) {
  Random random;
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = random.bytes(8 * random.up_to(40));
    const auto fixed = hex(kGolden);
    // Mostly plausible: the fixed part as it should be but for the size, random items.
    if (bytes.size() >= kHelloFixedSize && random.up_to(7) != 0) {
      std::copy_n(fixed.begin(), kHelloFixedSize, bytes.begin());
      store_little(bytes.data() + 12, static_cast<std::uint32_t>(bytes.size()));
      for (std::size_t at = kHelloFixedSize; at + 4 <= bytes.size(); at += 8) bytes[at + 3] = std::byte{0};  // short items
    }
    const auto hello = decode_hello(bytes);
    if (!hello) {
      ASSERT_EQ(hello.error().code, Errc::protocol_error);
    }
  }
}

}  // namespace
