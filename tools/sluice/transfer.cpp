// Encoding, decoding and judging of the file transfer's messages; transfer.hpp has the layout. Every decoder checks the length
// first and then reads within it.
#include "transfer.hpp"

#include <algorithm>
#include <cstring>

namespace tool::transfer {

namespace {

enum class Kind : std::uint32_t { hello = 1, welcome, open, data, end, confirm, drop, refuse };

// No text and no other program's message begins so by chance.
constexpr std::string_view kMagic = "\x93SLXFER\n";
constexpr std::uint64_t kUnknownSize = ~std::uint64_t{0};

// Where the parts lie; see the picture in transfer.hpp.
constexpr std::size_t kVersionsOffset = kHeadSize + kMagic.size();
constexpr std::size_t kHelloSize = kVersionsOffset + 4;
constexpr std::size_t kWelcomeSize = kVersionsOffset + 2;
constexpr std::size_t kNameOffset = kHeadSize + 8;
constexpr std::size_t kDigestOffset = kHeadSize + 8;
constexpr std::size_t kSummarySize = kDigestOffset + sizeof(Digest);
constexpr std::size_t kReasonTextOffset = kHeadSize + 4;

using Decoded = std::expected<Message, std::string_view>;
using Bytes = std::span<const std::byte>;

template <class Integer>
Integer load(Bytes bytes, std::size_t offset) {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    value = static_cast<Integer>(value | static_cast<Integer>(static_cast<Integer>(bytes[offset + i]) << (8 * i)));
  return value;
}

std::string_view text_from(Bytes bytes, std::size_t offset) {
  const Bytes rest = bytes.subspan(offset);
  return {reinterpret_cast<const char*>(rest.data()), rest.size()};
}

// Builds one message from front to back.
class Writer {
 public:
  Writer(Kind kind, std::uint32_t file) { number(static_cast<std::uint32_t>(kind)).number(file); }

  template <class Integer>
  Writer& number(Integer value) {
    for (std::size_t i = 0; i < sizeof(Integer); ++i) bytes_.push_back(static_cast<std::byte>(value >> (8 * i) & 0xFF));
    return *this;
  }
  Writer& bytes(Bytes more) {
    bytes_.insert(bytes_.end(), more.begin(), more.end());
    return *this;
  }
  Writer& text(std::string_view words) { return bytes(std::as_bytes(std::span(words.data(), words.size()))); }
  std::vector<std::byte> done() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

bool has_magic(Bytes bytes) { return bytes.size() >= kVersionsOffset && text_from(bytes, kHeadSize).starts_with(kMagic); }

Decoded decode_hello(Bytes bytes) {
  if (!has_magic(bytes) || bytes.size() < kHelloSize) return std::unexpected("it is not `sluice send`");
  const Hello hello{load<std::uint16_t>(bytes, kVersionsOffset), load<std::uint16_t>(bytes, kVersionsOffset + 2)};
  if (hello.lowest == 0 || hello.lowest > hello.highest) return std::unexpected("its hello names versions that can't be");
  return hello;
}

Decoded decode_welcome(Bytes bytes) {
  if (!has_magic(bytes) || bytes.size() < kWelcomeSize) return std::unexpected("it is not `sluice receive`");
  return Welcome{load<std::uint16_t>(bytes, kVersionsOffset)};
}

Decoded decode_open(Bytes bytes, std::uint32_t file) {
  if (bytes.size() < kNameOffset) return std::unexpected("its beginning of a file is cut off");
  Open open{file, load<std::uint64_t>(bytes, kHeadSize), text_from(bytes, kNameOffset)};
  if (open.size == kUnknownSize) open.size.reset();
  return open;
}

Decoded decode_data(Bytes bytes, std::uint32_t file) {
  if (bytes.size() == kHeadSize) return std::unexpected("it sent a piece without content");
  return Data{file, bytes.subspan(kHeadSize)};
}

template <class Summary>
Decoded decode_summary(Bytes bytes, std::uint32_t file) {
  if (bytes.size() != kSummarySize) return std::unexpected("its end of a file has the wrong length");
  Summary summary{file, load<std::uint64_t>(bytes, kHeadSize), {}};
  std::ranges::copy(bytes.subspan(kDigestOffset), summary.digest.begin());
  return summary;
}

Decoded decode_drop(Bytes bytes, std::uint32_t file) {
  if (bytes.size() > kHeadSize + kLongestText) return std::unexpected("its reason is too long");
  return Drop{file, text_from(bytes, kHeadSize)};
}

Decoded decode_refuse(Bytes bytes, std::uint32_t file) {
  if (bytes.size() < kReasonTextOffset) return std::unexpected("its refusal is cut off");
  if (bytes.size() > kReasonTextOffset + kLongestText) return std::unexpected("its reason is too long");
  return Refuse{file, static_cast<Reason>(load<std::uint32_t>(bytes, kHeadSize)), text_from(bytes, kReasonTextOffset)};
}

std::string_view cut(std::string_view text) { return text.substr(0, kLongestText); }

bool is_control(unsigned char character) { return character < 0x20 || character == 0x7F; }

// U+0080 … U+009F as UTF-8: terminals take them for control characters too (ECMA-48, 5.3).
bool is_c1_control(std::string_view text, std::size_t at) {
  return at + 1 < text.size() && text[at] == '\xC2' && static_cast<unsigned char>(text[at + 1]) < 0xA0;
}

}  // namespace

std::expected<Message, std::string_view> decode(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeadSize) return std::unexpected("its message is too short");
  const auto kind = static_cast<Kind>(load<std::uint32_t>(bytes, 0));
  const auto file = load<std::uint32_t>(bytes, 4);
  const bool about_a_file = kind != Kind::hello && kind != Kind::welcome && kind != Kind::refuse;
  if (about_a_file && file == 0) return std::unexpected("its message belongs to no file");
  switch (kind) {
    case Kind::hello:
      return decode_hello(bytes);
    case Kind::welcome:
      return decode_welcome(bytes);
    case Kind::open:
      return decode_open(bytes, file);
    case Kind::data:
      return decode_data(bytes, file);
    case Kind::end:
      return decode_summary<End>(bytes, file);
    case Kind::confirm:
      return decode_summary<Confirm>(bytes, file);
    case Kind::drop:
      return decode_drop(bytes, file);
    case Kind::refuse:
      return decode_refuse(bytes, file);
  }
  return std::unexpected("its message is of no known kind");
}

std::vector<std::byte> encode(const Hello& hello) {
  return Writer(Kind::hello, 0).text(kMagic).number(hello.lowest).number(hello.highest).done();
}

std::vector<std::byte> encode(const Welcome& welcome) {
  return Writer(Kind::welcome, 0).text(kMagic).number(welcome.version).done();
}

std::vector<std::byte> encode(const Open& open) {
  return Writer(Kind::open, open.file).number(open.size.value_or(kUnknownSize)).text(open.name).done();
}

std::vector<std::byte> encode(const End& end) { return Writer(Kind::end, end.file).number(end.size).bytes(end.digest).done(); }

std::vector<std::byte> encode(const Confirm& confirm) {
  return Writer(Kind::confirm, confirm.file).number(confirm.size).bytes(confirm.digest).done();
}

std::vector<std::byte> encode(const Drop& drop) { return Writer(Kind::drop, drop.file).text(cut(drop.text)).done(); }

std::vector<std::byte> encode(const Refuse& refuse) {
  return Writer(Kind::refuse, refuse.file).number(static_cast<std::uint32_t>(refuse.reason)).text(cut(refuse.text)).done();
}

std::array<std::byte, kHeadSize> data_head(std::uint32_t file) {
  std::array<std::byte, kHeadSize> head;
  std::ranges::copy(Writer(Kind::data, file).done(), head.begin());
  return head;
}

std::optional<std::uint16_t> common_version(const Hello& hello) {
  if (hello.lowest > kVersion || hello.highest < kVersion) return std::nullopt;
  return kVersion;
}

std::optional<std::string_view> name_problem(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > kLongestName) return "has more than 255 bytes";
  if (name == "." || name == "..") return "means a folder";
  for (std::size_t at = 0; at < name.size(); ++at) {
    if (name[at] == '/' || name[at] == '\\') return "has a path in it";
    if (is_control(static_cast<unsigned char>(name[at])) || is_c1_control(name, at)) return "has control characters in it";
  }
  return std::nullopt;
}

std::string printable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool c1 = is_c1_control(text, at);
    clean += c1 || is_control(static_cast<unsigned char>(text[at])) ? '?' : text[at];
    at += c1 ? 1 : 0;
  }
  return clean;
}

std::string hexadecimal(const Digest& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string digits;
  for (const std::byte byte : digest) {
    digits += kDigits[std::to_integer<std::size_t>(byte >> 4)];
    digits += kDigits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return digits;
}

}  // namespace tool::transfer
