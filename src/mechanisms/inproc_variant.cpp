#include "mechanisms/inproc_variant.hpp"

#include <charconv>
#include <string_view>

namespace sluice::inline v0::mechanism::inproc {
namespace {

constexpr std::size_t kMinPacket = 128;  // PacketLink::max_packet() promises so much
constexpr std::size_t kMaxPacket = std::size_t{1} << 20;
constexpr std::size_t kMaxDepth = 1024;  // with the largest packets that is 1 GiB a direction
constexpr std::size_t kMaxBuffer = std::size_t{1} << 30;

// A number of bytes or packets: digits, and K, M or G for powers of 1024.
std::optional<std::uint64_t> number(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{}) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit.empty()) return value;
  constexpr std::string_view kUnits = "KMG";
  const auto power = kUnits.find(unit);
  if (power == std::string_view::npos || unit.size() != 1 || value > (std::uint64_t{1} << 32)) return std::nullopt;
  return value << (10 * (power + 1));
}

bool read_between(std::string_view text, std::size_t lowest, std::size_t highest, std::size_t& value) noexcept {
  const auto read = number(text);
  if (!read || *read < lowest || *read > highest) return false;
  value = static_cast<std::size_t>(*read);
  return true;
}

bool read_shape(std::string_view text, Shape& shape) noexcept {
  for (const Shape one : {Shape::stream, Shape::packets, Shape::region}) {
    if (text != name(one)) continue;
    shape = one;
    return true;
  }
  return false;
}

bool read_option(std::string_view key, std::string_view value, Variant& variant) noexcept {
  if (key == "link") return read_shape(value, variant.shape);
  if (key == "buffer") return read_between(value, 1, kMaxBuffer, variant.buffer);
  if (key == "chop") return read_between(value, 1, kMaxBuffer, variant.chop);
  if (key == "outbox") return read_between(value, 1, kMaxBuffer, variant.outbox);
  if (key == "packet") return read_between(value, kMinPacket, kMaxPacket, variant.packet);
  if (key == "depth") return read_between(value, 1, kMaxDepth, variant.depth);
  if (key == "deliver") return variant.foreign_delivery = value == "foreign";
  if (key == "send") {
    variant.sending = value == "unknown" ? Sending::unknown : Sending::blocking;
    return value == "unknown" || value == "blocking";
  }
  if (key == "backed") {
    const auto bytes = number(value);
    variant.backed = bytes.value_or(0);
    return bytes.has_value();
  }
  return false;
}

}  // namespace

Result<std::optional<Variant>> variant_of(const links::Place& place) {
  if (place.options.empty()) return std::optional<Variant>{};
  Variant variant;
  for (std::size_t i = 0; i < place.options.size(); ++i) {
    const auto& [key, value] = place.options[i];
    if (!read_option(key, value, variant)) {
      return Error{Errc::invalid_endpoint, Step::check_options, 0, static_cast<std::int64_t>(i), 0};
    }
  }
  return std::optional<Variant>{variant};
}

}  // namespace sluice::inline v0::mechanism::inproc
