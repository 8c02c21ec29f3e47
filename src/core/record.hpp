// The one record header, 64 bits, on all three shapes of link (docs/protocol.md draws it):
//
//    63                              32 31 30 29 28   26 25                        0
//   +----------------------------------+--+--+--+-------+---------------------------+
//   |  back                            |t |h |H | kind  |  length of the payload    |
//   +----------------------------------+--+--+--+-------+---------------------------+
//
//   back  ring: the writer's release position of the other direction, in units of 8 bytes, modulo 2^32
//         stream, packets: the number of messages that the writer has taken, modulo 2^32
//   H     handles come with this record      h  home: the next record is in a home slot of the ring
//   t     turn: in a home slot, whether this is an odd use of that slot (ring_layout.hpp); 0 everywhere else
//
// Where H is set in a stream, the payload begins with 8 bytes that belong to no message: the number of handles (u32), zeros.
// In a ring the handles come beside it (ring_handles.hpp), and the record is as without them.
//
// In memory and on the wire the header is little-endian. A header of 64 zero bits is no record.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace sluice::inline v0::core {

enum class Kind : std::uint8_t {
  none = 0,
  data = 1,        // a whole message
  piece = 2,       // a part of a message, not the last
  last_piece = 3,  // the last part
  filler = 4,      // ring: void; length 0: up to the end of the lap, else a multiple of 8
  control = 5,     // a control word (Control below)
};

// The last record of a message.
[[nodiscard]] constexpr bool ends_message(Kind kind) noexcept { return kind == Kind::data || kind == Kind::last_piece; }

inline constexpr std::size_t kHeaderSize = 8;
inline constexpr std::size_t kHandleCountSize = 8;
inline constexpr std::uint32_t kLengthMask = (1U << 26) - 1;
inline constexpr std::uint32_t kHandlesBit = 1U << 29;
inline constexpr std::uint32_t kHomeBit = 1U << 30;
inline constexpr std::uint32_t kTurnBit = 1U << 31;

struct RecordHeader {
  std::uint32_t length{0};  // bytes of payload, below 2^26
  Kind kind{Kind::none};
  bool handles{false};
  bool home{false};
  std::uint32_t back{0};

  friend bool operator==(const RecordHeader&, const RecordHeader&) = default;
};

// The header as a number (what the ring stores atomically) …
[[nodiscard]] constexpr std::uint64_t pack(const RecordHeader& header) noexcept {
  return std::uint64_t{header.back} << 32 | (header.home ? kHomeBit : 0U) | (header.handles ? kHandlesBit : 0U) |
         static_cast<std::uint32_t>(header.kind) << 26 | (header.length & kLengthMask);
}

// … and back. Nothing if no Sluice peer writes such a header: an unknown kind, or a turn, which only a home slot has, where it
// is taken off before this.
[[nodiscard]] constexpr std::optional<RecordHeader> unpack(std::uint64_t packed) noexcept {
  const auto low = static_cast<std::uint32_t>(packed);
  const auto kind = (low >> 26) & 7U;
  if ((low & kTurnBit) != 0 || kind == 0 || kind > static_cast<std::uint32_t>(Kind::control)) return std::nullopt;
  return RecordHeader{low & kLengthMask, static_cast<Kind>(kind), (low & kHandlesBit) != 0, (low & kHomeBit) != 0,
                      static_cast<std::uint32_t>(packed >> 32)};
}

// Little-endian integers at any alignment.
template <class Integer>
void store_little(std::byte* to, Integer value) noexcept {
  for (std::size_t i = 0; i < sizeof(Integer); ++i) to[i] = static_cast<std::byte>(value >> (8 * i) & 0xFF);
}
template <class Integer>
[[nodiscard]] Integer load_little(const std::byte* from) noexcept {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) value |= static_cast<Integer>(static_cast<Integer>(from[i]) << (8 * i));
  return value;
}

// What a control record says. Its payload is 16 bytes: the word (u32), a number (u32), a value (u64).
enum class Word : std::uint32_t {
  // after the hello, see handshake.hpp
  offer = 1,   // value: how many numbers follow; the record is longer by 8 bytes for each
  refuse = 2,  // number: the Errc; value: Step << 32 | the OS's own code as 32 bits; two u64 follow: first, second
  ready = 3,   // the connecting side has taken the link
  // in the session
  ask = 16,           // tell me when you have taken `number` messages
  taken = 17,         // I have taken as many messages as the header's `back` says (ring: as `number` says)
  finish = 18,        // I send no more messages
  goodbye = 19,       // I send no more and discard what still arrives
  goodbye_seen = 20,  // I have received your goodbye, and everything before it
};

// After these no message comes, and so none that has begun may be open.
[[nodiscard]] constexpr bool ends_direction(Word word) noexcept { return word == Word::finish || word == Word::goodbye; }

struct Control {
  Word word{};
  std::uint32_t number{0};
  std::uint64_t value{0};

  friend bool operator==(const Control&, const Control&) = default;
};

inline constexpr std::size_t kControlSize = 16;
// The longest control record that a stream or a ring takes in a session: what a later version may add fits, and no more has to
// be kept in memory. Ours are kControlSize.
inline constexpr std::size_t kMaxControl = 256;
using ControlBytes = std::array<std::byte, kControlSize>;

[[nodiscard]] inline ControlBytes encode(const Control& control) noexcept {
  ControlBytes bytes;
  store_little(bytes.data(), static_cast<std::uint32_t>(control.word));
  store_little(bytes.data() + 4, control.number);
  store_little(bytes.data() + 8, control.value);
  return bytes;
}
// The first 16 bytes of a control record's payload; nothing if there are fewer. The word may be one we don't know.
[[nodiscard]] inline std::optional<Control> decode_control(std::span<const std::byte> payload) noexcept {
  if (payload.size() < kControlSize) return std::nullopt;
  return Control{static_cast<Word>(load_little<std::uint32_t>(payload.data())), load_little<std::uint32_t>(payload.data() + 4),
                 load_little<std::uint64_t>(payload.data() + 8)};
}

}  // namespace sluice::inline v0::core
