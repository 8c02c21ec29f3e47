// Framings: how messages lie in a stream. Sluice's own has records (record.hpp); the foreign ones are what programs speak that
// know nothing of Sluice, and this is their table. docs/protocol.md#foreign-framings draws them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include <sluice/result.hpp>

namespace sluice::inline v0::core {

enum class Framing : std::uint8_t { sluice, raw, line, nul, u16be, u16le, u32be, u32le };

struct FramingRow {
  Framing framing;
  std::string_view name;                 // as it stands in the endpoint's text
  std::optional<std::byte> delimiter{};  // stands behind each message, and in none
  std::size_t prefix{0};                 // bytes in front of each message that say its size
  bool is_big_endian{false};             // of the prefix
};

// In the order of the enumeration.
inline constexpr auto kFramings = std::to_array<FramingRow>({
    {.framing = Framing::sluice, .name = "sluice"},
    {.framing = Framing::raw, .name = "raw"},  // each read is a message
    {.framing = Framing::line, .name = "line", .delimiter = std::byte{'\n'}},
    {.framing = Framing::nul, .name = "nul", .delimiter = std::byte{0}},
    {.framing = Framing::u16be, .name = "u16be", .prefix = 2, .is_big_endian = true},
    {.framing = Framing::u16le, .name = "u16le", .prefix = 2},
    {.framing = Framing::u32be, .name = "u32be", .prefix = 4, .is_big_endian = true},
    {.framing = Framing::u32le, .name = "u32le", .prefix = 4},
});

[[nodiscard]] constexpr const FramingRow& row_of(Framing framing) noexcept {
  return kFramings[static_cast<std::size_t>(framing)];
}
static_assert(std::ranges::all_of(kFramings, [](const FramingRow& row) { return &row_of(row.framing) == &row; }));

[[nodiscard]] constexpr std::optional<Framing> framing_named(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(kFramings, name, &FramingRow::name);
  return found == kFramings.end() ? std::nullopt : std::optional{found->framing};
}

// The peer is a program that needs to know nothing of Sluice.
[[nodiscard]] constexpr bool is_foreign(Framing framing) noexcept { return framing != Framing::sluice; }

inline constexpr std::size_t kMaxPrefix = 4;

// The largest message that the framing itself can say.
[[nodiscard]] constexpr std::size_t largest_message(Framing framing) noexcept {
  const std::size_t prefix = row_of(framing).prefix;
  if (prefix == 0 || prefix >= sizeof(std::size_t)) return std::numeric_limits<std::size_t>::max();
  return (std::size_t{1} << (8 * prefix)) - 1;
}

// The prefix that says `size`: the last row.prefix bytes.
[[nodiscard]] constexpr std::array<std::byte, kMaxPrefix> prefix_of(const FramingRow& row, std::size_t size) noexcept {
  std::array<std::byte, kMaxPrefix> bytes{};
  for (std::size_t i = 0; i < row.prefix; ++i) {
    const std::size_t shift = 8 * (row.is_big_endian ? row.prefix - 1 - i : i);
    bytes[kMaxPrefix - row.prefix + i] = static_cast<std::byte>(size >> shift & 0xFF);
  }
  return bytes;
}
// … and back: `bytes` are row.prefix of them.
[[nodiscard]] constexpr std::size_t size_in(const FramingRow& row, std::span<const std::byte> bytes) noexcept {
  std::size_t size = 0;
  for (std::size_t i = 0; i < row.prefix; ++i) {
    const std::size_t shift = 8 * (row.is_big_endian ? row.prefix - 1 - i : i);
    size |= std::to_integer<std::size_t>(bytes[i]) << shift;
  }
  return size;
}

// Why a framing can't say a message whose bytes lie in these places: misuse (Step::send; first: where its delimiter stands in
// it, second: its size; first -1: it is empty). One that is too large is refused elsewhere.
[[nodiscard]] std::optional<Error> refusal_of(Framing framing, std::span<const std::span<const std::byte>> places) noexcept;

}  // namespace sluice::inline v0::core
