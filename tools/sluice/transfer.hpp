// The file transfer protocol of `sluice send` and `sluice receive`, version 1: one message of the channel is one of these.
// Pure: bytes to values and back, nothing else. It stands on the standard library alone, and decodes whatever a hostile peer
// sends without reading out of bounds, and without believing a length that the message doesn't hold.
//
//   the sender says         the receiver says
//   ---------------         -----------------
//   hello                                                what versions it speaks
//                           welcome                      which of them it is
//   open                                                 a file begins: its name, and its size where that is known
//   data …                                               the content, in pieces of at least one byte
//   end                                                  how long it was, and its digest
//                           confirm                      it is where it belongs; the receiver's own size and digest
//   open …                                               the next file, once this one was answered; or it closes the channel
//
//   drop                                                 instead of end: the sender can't, or need not, go on with the file
//                           refuse                       instead of confirm, at any time after open: the file is not taken
//
// Each file gets exactly one answer, confirm or refuse, a dropped one too, and the sender waits for it before it opens the
// next. So at most one answer is under way, and no direction fills while the other waits. The sender drops a file that was
// refused early. A refuse with file 0 is about the whole conversation, and the last thing the receiver says.
//
// All numbers are little-endian. Every message begins with 8 bytes:
//   0  kind (u32)   4  number of the file (u32), counted from 1; 0 in hello and welcome
// and goes on with
//   hello     8  magic (8)          16  lowest version (u16)   18  highest version (u16)      later versions may add to it
//   welcome   8  magic (8)          16  version (u16)
//   open      8  size (u64), 2^64-1: not known                 16  the name, to the end of the message
//   data      8  the bytes, to the end of the message
//   end       8  size (u64)         16  digest (16), as XXH128_canonicalFromHash gives it
//   confirm   8  size (u64)         16  digest (16)
//   drop      8  why, in words, to the end of the message
//   refuse    8  reason (u32)       12  why, in words, to the end of the message
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tool::transfer {

inline constexpr std::uint16_t kVersion = 1;

// The first bytes of every message; data is sent as these 8 and the content, without copying it into one piece.
inline constexpr std::size_t kHeadSize = 8;
// What POSIX file systems allow for one component of a path (NAME_MAX, limits.h(0p)), and Windows in UTF-16 units.
inline constexpr std::size_t kLongestName = 255;
// Words are for one line on a terminal; what is longer is cut off by the encoder and refused by the decoder.
inline constexpr std::size_t kLongestText = 1024;

using Digest = std::array<std::byte, 16>;

struct Hello {
  std::uint16_t lowest{kVersion};
  std::uint16_t highest{kVersion};
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct Welcome {
  std::uint16_t version{kVersion};
  friend bool operator==(const Welcome&, const Welcome&) = default;
};

// The size is what the sender expects: good for showing progress, not to be relied on.
struct Open {
  std::uint32_t file{0};
  std::optional<std::uint64_t> size;
  std::string_view name;  // any bytes: judge it with name_problem()
  friend bool operator==(const Open&, const Open&) = default;
};

struct Data {
  std::uint32_t file{0};
  std::span<const std::byte> content;  // never empty
};

struct End {
  std::uint32_t file{0};
  std::uint64_t size{0};
  Digest digest{};
  friend bool operator==(const End&, const End&) = default;
};

struct Confirm {
  std::uint32_t file{0};
  std::uint64_t size{0};
  Digest digest{};
  friend bool operator==(const Confirm&, const Confirm&) = default;
};

struct Drop {
  std::uint32_t file{0};
  std::string_view text;
  friend bool operator==(const Drop&, const Drop&) = default;
};

enum class Reason : std::uint32_t {
  name = 1,      // no file of that name is made
  exists,        // there is such a file already
  write,         // the content can't be written
  digest,        // what arrived is not what was sent
  dropped,       // the sender has dropped it
  version,       // no version in common
  conversation,  // the sender broke a rule of this protocol
};

struct Refuse {
  std::uint32_t file{0};  // 0: the conversation ends
  Reason reason{};        // may be one that we don't know
  std::string_view text;
  friend bool operator==(const Refuse&, const Refuse&) = default;
};

// Views in it point into the bytes that were decoded.
using Message = std::variant<Hello, Welcome, Open, Data, End, Confirm, Drop, Refuse>;

// The value of a message, or in a few words why it is none.
[[nodiscard]] std::expected<Message, std::string_view> decode(std::span<const std::byte> bytes);

// The bytes of a message.
[[nodiscard]] std::vector<std::byte> encode(const Hello& hello);
[[nodiscard]] std::vector<std::byte> encode(const Welcome& welcome);
[[nodiscard]] std::vector<std::byte> encode(const Open& open);
[[nodiscard]] std::vector<std::byte> encode(const End& end);
[[nodiscard]] std::vector<std::byte> encode(const Confirm& confirm);
[[nodiscard]] std::vector<std::byte> encode(const Drop& drop);
[[nodiscard]] std::vector<std::byte> encode(const Refuse& refuse);
// What stands before the content in a data message.
[[nodiscard]] std::array<std::byte, kHeadSize> data_head(std::uint32_t file);

// The version that both speak, if there is one.
[[nodiscard]] std::optional<std::uint16_t> common_version(const Hello& hello);

// Why no file may be made under that name, in words that follow "a name that …"; nothing if it may. A name that is not
// refused is one component of a path on every system, and shows nothing strange on a terminal.
[[nodiscard]] std::optional<std::string_view> name_problem(std::string_view name);

// The text with every control character replaced by '?': what a peer says is printed on a terminal.
[[nodiscard]] std::string printable(std::string_view text);

// 32 hexadecimal digits, the first byte first, as xxhsum prints them.
[[nodiscard]] std::string hexadecimal(const Digest& digest);

}  // namespace tool::transfer
