// Encoding and decoding of the hello. The reader is strict: what no Sluice peer writes is a protocol_error. Only what the
// first 64 bytes promise to stay is read before the versions were compared, so that any future hello gets a clear answer.
#include "core/hello.hpp"

#include <algorithm>
#include <bit>

#include <sluice/version.hpp>

#include "core/record.hpp"

namespace sluice::inline v0::core {
namespace {

constexpr std::array<char, 8> kMagic{'S', 'L', 'U', 'I', 'C', 'E', '\r', '\n'};

// Offsets in the fixed part, as the header of hello.hpp draws them.
constexpr std::size_t kLowestVersionAt = 8;
constexpr std::size_t kHighestVersionAt = 10;
constexpr std::size_t kTotalSizeAt = 12;
constexpr std::size_t kFeaturesRequiredAt = 16;
constexpr std::size_t kFeaturesOfferedAt = 24;
constexpr std::size_t kLargestMessageAt = 32;
constexpr std::size_t kChannelIdAt = 40;
constexpr std::size_t kByteOrderAt = 56;
constexpr std::size_t kWordSizeAt = 57;
constexpr std::size_t kZerosAt = 58;

constexpr std::uint8_t kLittleEndian = 1;
constexpr std::uint8_t kBigEndian = 2;

// Items: type u16, length u16 (of the value alone), value, zeros.
constexpr std::size_t kItemHeaderSize = 4;
constexpr std::size_t kItemAlignment = 8;
constexpr std::uint16_t kLibraryItem = 1;
constexpr std::uint16_t kHandlesItem = 2;
constexpr std::uint16_t kPartItem = 3;
constexpr std::size_t kNumberItemSize = 8;  // all of one whose value is an u32
constexpr std::size_t kLibraryLimit = kHelloLimit - kHelloFixedSize - kItemHeaderSize;

// Error::first of a protocol_error that is about features (versions are never negative).
constexpr std::int64_t kFeaturesMissing = -1;

constexpr std::size_t padded(std::size_t size) noexcept {
  return (size + kItemAlignment - 1) / kItemAlignment * kItemAlignment;
}

constexpr std::int64_t both(std::uint16_t lowest, std::uint16_t highest) noexcept {
  return std::int64_t{lowest} << 16 | highest;
}

Error broken(std::int64_t first = 0, std::int64_t second = 0) noexcept {
  return {Errc::protocol_error, Step::hello, 0, first, second};
}

bool are_zeros(std::span<const std::byte> bytes) noexcept {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

// The library's name is shown to people: no control characters, which a terminal would obey.
bool is_printable(std::span<const std::byte> bytes) noexcept {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte >= std::byte{' '} && byte <= std::byte{'~'}; });
}

void append_item(std::vector<std::byte>& bytes, std::uint16_t type, std::span<const std::byte> value) {
  const std::size_t at = bytes.size();
  bytes.resize(at + padded(kItemHeaderSize + value.size()));
  store_little(bytes.data() + at, type);
  store_little(bytes.data() + at + 2, static_cast<std::uint16_t>(value.size()));
  std::ranges::copy(value, bytes.data() + at + kItemHeaderSize);
}

void append_number(std::vector<std::byte>& bytes, std::uint16_t type, std::uint32_t number) {
  std::array<std::byte, sizeof(number)> value;
  store_little(value.data(), number);
  append_item(bytes, type, value);
}

Result<void> decode_items(std::span<const std::byte> items, Hello& hello) {
  bool has_library = false;
  bool has_handles = false;
  bool has_part = false;
  while (!items.empty()) {
    if (items.size() < kItemHeaderSize) return broken();
    const auto type = load_little<std::uint16_t>(items.data());
    const std::size_t length = load_little<std::uint16_t>(items.data() + 2);
    const std::size_t whole = padded(kItemHeaderSize + length);
    if (whole > items.size()) return broken();
    const auto value = items.subspan(kItemHeaderSize, length);
    if (!are_zeros(items.subspan(kItemHeaderSize + length, whole - kItemHeaderSize - length))) return broken();
    if (type == kLibraryItem) {
      if (has_library || !is_printable(value)) return broken();
      has_library = true;
      hello.library.assign(reinterpret_cast<const char*>(value.data()), value.size());
    } else if (type == kHandlesItem) {
      if (has_handles || length != sizeof(hello.max_handles)) return broken();
      has_handles = true;
      hello.max_handles = load_little<std::uint32_t>(value.data());
    } else if (type == kPartItem) {
      if (has_part || length != sizeof(std::uint32_t)) return broken();
      has_part = true;
      const auto part = load_little<std::uint32_t>(value.data());
      if (part != static_cast<std::uint32_t>(Part::listens) && part != static_cast<std::uint32_t>(Part::either))
        return broken();
      hello.part = static_cast<Part>(part);
    }
    items = items.subspan(whole);
  }
  return {};
}

}  // namespace

Hello our_hello(std::uint64_t largest_message, const std::array<std::byte, 16>& channel_id, std::uint32_t max_handles,
                Part part) {
  Hello hello;
  hello.largest_message = largest_message;
  hello.channel_id = channel_id;
  hello.byte_order = std::endian::native == std::endian::little ? kLittleEndian : kBigEndian;
  hello.max_handles = max_handles;
  hello.part = part;
  hello.library = "sluice " SLUICE_VERSION;
  return hello;
}

std::vector<std::byte> encode(const Hello& hello) {
  std::vector<std::byte> bytes(kHelloFixedSize);
  const std::size_t numbers = (hello.max_handles == 0 ? 0U : 1U) + (hello.part == Part::connects ? 0U : 1U);
  const std::size_t library_limit = kLibraryLimit - numbers * kNumberItemSize;
  const auto library = std::string_view{hello.library}.substr(0, library_limit);
  if (!library.empty()) append_item(bytes, kLibraryItem, std::as_bytes(std::span{library}));
  if (hello.max_handles != 0) append_number(bytes, kHandlesItem, hello.max_handles);
  if (hello.part != Part::connects) append_number(bytes, kPartItem, static_cast<std::uint32_t>(hello.part));
  std::byte* const to = bytes.data();
  std::memcpy(to, kMagic.data(), kMagic.size());
  store_little(to + kLowestVersionAt, hello.lowest_version);
  store_little(to + kHighestVersionAt, hello.highest_version);
  store_little(to + kTotalSizeAt, static_cast<std::uint32_t>(bytes.size()));
  store_little(to + kFeaturesRequiredAt, hello.features_required);
  store_little(to + kFeaturesOfferedAt, hello.features_offered);
  store_little(to + kLargestMessageAt, hello.largest_message);
  std::ranges::copy(hello.channel_id, to + kChannelIdAt);
  store_little(to + kByteOrderAt, hello.byte_order);
  store_little(to + kWordSizeAt, hello.word_size);
  return bytes;
}

Result<std::size_t> hello_size(std::span<const std::byte, kHelloFixedSize> fixed) noexcept {
  if (std::memcmp(fixed.data(), kMagic.data(), kMagic.size()) != 0) return broken();
  const std::size_t size = load_little<std::uint32_t>(fixed.data() + kTotalSizeAt);
  if (size < kHelloFixedSize || size > kHelloLimit || size % kItemAlignment != 0) return broken();
  return size;
}

Result<Hello> decode_hello(std::span<const std::byte> bytes) {
  if (bytes.size() < kHelloFixedSize) return broken();
  const auto size = hello_size(bytes.first<kHelloFixedSize>());
  if (!size) return size.error();
  if (bytes.size() != *size) return broken();

  const std::byte* const from = bytes.data();
  Hello hello;
  hello.lowest_version = load_little<std::uint16_t>(from + kLowestVersionAt);
  hello.highest_version = load_little<std::uint16_t>(from + kHighestVersionAt);
  if (hello.lowest_version > hello.highest_version) return broken();
  if (hello.lowest_version > kHighestVersion || hello.highest_version < kLowestVersion) {
    return broken(both(hello.lowest_version, hello.highest_version), both(kLowestVersion, kHighestVersion));
  }
  hello.features_required = load_little<std::uint64_t>(from + kFeaturesRequiredAt);
  hello.features_offered = load_little<std::uint64_t>(from + kFeaturesOfferedAt);
  if (const auto missing = hello.features_required & ~kFeaturesOffered; missing != 0) {
    return broken(kFeaturesMissing, static_cast<std::int64_t>(missing));
  }
  hello.largest_message = load_little<std::uint64_t>(from + kLargestMessageAt);
  std::copy_n(from + kChannelIdAt, hello.channel_id.size(), hello.channel_id.begin());
  hello.byte_order = load_little<std::uint8_t>(from + kByteOrderAt);
  hello.word_size = load_little<std::uint8_t>(from + kWordSizeAt);
  if (hello.byte_order != kLittleEndian && hello.byte_order != kBigEndian) return broken();
  if (!std::has_single_bit(hello.word_size)) return broken();
  if (!are_zeros(bytes.subspan(kZerosAt, kHelloFixedSize - kZerosAt))) return broken();
  if (const auto items = decode_items(bytes.subspan(kHelloFixedSize), hello); !items) return items.error();
  return hello;
}

}  // namespace sluice::inline v0::core
