// What of an address is text and arithmetic, the same on every system (os/tcp_address.hpp).
#include <algorithm>
#include <charconv>

#include "os/tcp_address.hpp"
#include "os/tcp_lookup.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr std::size_t kLongestHost = 253;   // RFC 1035 2.3.4: 255 octets as they are sent
constexpr std::size_t kLongestPort = 5;     // 65535
constexpr std::size_t kIpv4 = 4;            // bytes
constexpr std::uint8_t kLoopbackNet = 127;  // RFC 1122 3.2.1.3 (g)
constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};  // RFC 4291 2.5.5.2

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_host_letter(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

}  // namespace

std::optional<std::uint32_t> read_digits(std::string_view digits) noexcept {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

TcpAddress unmapped(const TcpAddress& address) noexcept {
  if (!address.is_v6 || !std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin())) return address;
  TcpAddress inner;
  inner.port = address.port;
  std::copy_n(address.bytes.begin() + kMapped.size(), kIpv4, inner.bytes.begin());
  return inner;
}

bool is_loopback(const TcpAddress& address) noexcept {
  if (!address.is_v6) return address.bytes[0] == kLoopbackNet;
  constexpr std::array<std::uint8_t, 16> kOne{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return address.bytes == kOne;
}

std::optional<HostAndPort> parse_host_and_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.substr(colon + 1);
  if (digits.empty() || digits.size() > kLongestPort || !std::ranges::all_of(digits, is_digit)) return std::nullopt;
  const auto port = read_digits(digits);
  if (!port || *port > UINT16_MAX) return std::nullopt;
  HostAndPort where;
  where.port = static_cast<std::uint16_t>(*port);
  std::string_view host = text.substr(0, colon);
  where.is_bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (where.is_bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || host.size() > kLongestHost) return std::nullopt;
  // What stands in brackets is read as an address anyway; without them a colon would make two meanings.
  if (!where.is_bracketed && !std::ranges::all_of(host, is_host_letter)) return std::nullopt;
  if (host.find('\0') != std::string_view::npos) return std::nullopt;
  where.host = host;
  return where;
}

Result<std::vector<TcpAddress>> find_addresses(const HostAndPort& where, Step step) {
  Result<std::vector<TcpAddress>> addresses = Error{Errc::invalid_endpoint, step, 0, 0, 0};
  if (const auto read = where.is_bracketed ? read_v6(where.host) : read_v4(where.host)) {
    addresses = std::vector{*read};
  } else if (!where.is_bracketed) {
    addresses = look_up(where.host);
  }
  if (!addresses) return addresses;
  for (TcpAddress& address : *addresses) address.port = where.port;
  return addresses;
}

}  // namespace sluice::inline v0::os
