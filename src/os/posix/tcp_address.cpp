// Reading addresses by inet_pton(3), looking up names by getaddrinfo(3).
#include "os/tcp_address.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr std::size_t kLongestHost = 253;   // RFC 1035 2.3.4: 255 octets as they are sent
constexpr std::size_t kLongestPort = 5;     // 65535
constexpr std::size_t kMostAddresses = 16;  // of one name; more are not tried
constexpr std::size_t kIpv4 = 4;            // bytes
constexpr std::uint8_t kLoopbackNet = 127;  // RFC 1122 3.2.1.3 (g)
constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};  // RFC 4291 2.5.5.2

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_host_letter(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

std::optional<std::uint32_t> read_number(std::string_view digits) noexcept {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

std::optional<TcpAddress> read_v4(const std::string& text) noexcept {
  TcpAddress address;
  if (::inet_pton(AF_INET, text.c_str(), address.bytes.data()) != 1) return std::nullopt;
  return address;
}

// With an interface behind %, by name or number (RFC 4007 11).
std::optional<TcpAddress> read_v6(const std::string& text) noexcept {
  TcpAddress address;
  address.is_v6 = true;
  const std::size_t percent = text.find('%');
  if (::inet_pton(AF_INET6, text.substr(0, percent).c_str(), address.bytes.data()) != 1) return std::nullopt;
  if (percent == std::string::npos) return unmapped(address);
  const std::string interface = text.substr(percent + 1);
  address.scope = read_number(interface).value_or(::if_nametoindex(interface.c_str()));
  if (address.scope == 0 || !unmapped(address).is_v6) return std::nullopt;
  return address;
}

Error lookup_failure(int code) noexcept {
  switch (code) {
    case EAI_AGAIN:
      return {Errc::timed_out, Step::find_host, 0, 0, 0};
    case EAI_MEMORY:
      return {Errc::out_of_memory, Step::find_host, 0, 0, 0};
    case EAI_SYSTEM:
      return {Errc::not_supported, Step::find_host, errno, 0, 0};
    default:
      return {Errc::not_found, Step::find_host, 0, 0, 0};
  }
}

Result<std::vector<TcpAddress>> look_up(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  if (const int code = ::getaddrinfo(name.c_str(), nullptr, &hints, &first); code != 0) return lookup_failure(code);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned{first, &::freeaddrinfo};
  std::vector<TcpAddress> addresses;
  for (const addrinfo* one = first; one != nullptr && addresses.size() < kMostAddresses; one = one->ai_next) {
    if (one->ai_addr == nullptr) continue;
    if (const auto address = address_of(*one->ai_addr)) addresses.push_back(*address);
  }
  if (addresses.empty()) return lookup_failure(EAI_NONAME);
  return addresses;
}

}  // namespace

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

std::string to_text(const TcpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> room{};
  ::inet_ntop(address.is_v6 ? AF_INET6 : AF_INET, address.bytes.data(), room.data(), room.size());
  std::string text = room.data();
  if (address.is_v6) {
    if (address.scope != 0) text += '%' + std::to_string(address.scope);
    text = '[' + text + ']';
  }
  return text + ':' + std::to_string(address.port);
}

std::optional<TcpAddress> address_of(const sockaddr& address) noexcept {
  TcpAddress found;
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    std::memcpy(found.bytes.data(), &v4.sin_addr, kIpv4);
    found.port = ntohs(v4.sin_port);
    return found;
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    std::memcpy(found.bytes.data(), &v6.sin6_addr, found.bytes.size());
    found.is_v6 = true;
    found.scope = v6.sin6_scope_id;
    found.port = ntohs(v6.sin6_port);
    return unmapped(found);
  }
  return std::nullopt;
}

std::optional<HostAndPort> parse_host_and_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.substr(colon + 1);
  if (digits.empty() || digits.size() > kLongestPort || !std::ranges::all_of(digits, is_digit)) return std::nullopt;
  const auto port = read_number(digits);
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
