// The hello: the first bytes that each end sends. Its first 64 bytes are fixed for ever (little-endian):
//
//    0  magic                8   "SLUICE\r\n"
//    8  lowest version       2   of the protocol that this end speaks
//   10  highest version      2
//   12  total size           4   of the hello with its items; 64 and more, see kHelloLimit
//   16  features required    8
//   24  features offered     8
//   32  largest message      8   that this end accepts, in bytes
//   40  channel id          16   random
//   56  byte order           1   1 little, 2 big
//   57  word size            1   of a pointer, in bytes
//   58  zeros                6
//   64  items                    type u16, length u16, value, padded with zeros to a multiple of 8; unknown types are skipped
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/result.hpp>

namespace sluice::inline v0::core {

inline constexpr std::size_t kHelloFixedSize = 64;
// Of all that one side says in a handshake, its hello and the control frames behind it together: a stranger costs no more
// memory than this. A hello alone has to leave room for what follows.
inline constexpr std::size_t kHelloLimit = 4096;
inline constexpr std::uint16_t kLowestVersion = 0;
inline constexpr std::uint16_t kHighestVersion = 0;
inline constexpr std::uint64_t kFeaturesOffered = 0;  // none yet

// Which part of the handshake an end plays. One that connects doesn't say so.
enum class Part : std::uint8_t {
  connects = 0,
  listens = 1,
  either = 2,  // its connection was made by others: it plays what the other end doesn't
};

struct Hello {
  std::uint16_t lowest_version{kLowestVersion};
  std::uint16_t highest_version{kHighestVersion};
  std::uint64_t features_required{0};
  std::uint64_t features_offered{kFeaturesOffered};
  std::uint64_t largest_message{0};
  std::array<std::byte, 16> channel_id{};
  std::uint8_t byte_order{1};
  std::uint8_t word_size{sizeof(void*)};
  std::uint32_t max_handles{0};  // item 2: the most handles with one message that this end accepts
  Part part{Part::connects};     // item 3
  std::string library;           // item 1: name and version of the library, for people ("sluice 0.1.0")

  friend bool operator==(const Hello&, const Hello&) = default;
};

// The hello of this end: this build's byte order, word size, versions and library.
[[nodiscard]] Hello our_hello(std::uint64_t largest_message, const std::array<std::byte, 16>& channel_id,
                              std::uint32_t max_handles = 0, Part part = Part::connects);

[[nodiscard]] std::vector<std::byte> encode(const Hello& hello);

// Total size from the fixed part. protocol_error (Step::hello) if this isn't the beginning of a hello, or the announced size
// is outside 64 … kHelloLimit or no multiple of 8. (Whether it leaves room for the rest, Greeting looks to.)
[[nodiscard]] Result<std::size_t> hello_size(std::span<const std::byte, kHelloFixedSize> fixed) noexcept;

// Reads a whole hello. protocol_error: not a hello; versions without overlap (first: their lowest << 16 | highest, second:
// ours), features that we don't have (first: -1, second: which), broken items.
[[nodiscard]] Result<Hello> decode_hello(std::span<const std::byte> bytes);

}  // namespace sluice::inline v0::core
