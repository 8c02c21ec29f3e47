// TcpAddress: where a TCP socket is, and how people write it: 127.0.0.1:7000, [::1]:7000, a-name:7000.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/result.hpp>

struct sockaddr;

namespace sluice::inline v0::os {

struct TcpAddress {
  std::array<std::uint8_t, 16> bytes{};  // in the order of the network; IPv4 has the first four
  bool is_v6{false};
  std::uint32_t scope{0};  // IPv6, link-local: the interface (ipv6(7), sin6_scope_id)
  std::uint16_t port{0};

  friend bool operator==(const TcpAddress&, const TcpAddress&) = default;
};

// An IPv6 address that holds an IPv4 one (::ffff:127.0.0.1, RFC 4291 2.5.5.2) as the latter; any other as it is. Every address
// that the functions below give is so already.
[[nodiscard]] TcpAddress unmapped(const TcpAddress& address) noexcept;

// 127.0.0.0/8 and ::1: what arrives from there was sent on this machine; the kernel drops what claims it from elsewhere
// (RFC 1122 3.2.1.3 (g), RFC 4291 2.5.3).
[[nodiscard]] bool is_loopback(const TcpAddress& address) noexcept;

// "127.0.0.1:7000", "[::1]:7000".
[[nodiscard]] std::string to_text(const TcpAddress& address);

// What the system's calls fill in (getsockname(2) and others); nothing if it is neither IPv4 nor IPv6.
[[nodiscard]] std::optional<TcpAddress> address_of(const sockaddr& address) noexcept;

struct HostAndPort {
  std::string host;  // a name or an address, not judged yet
  std::uint16_t port{0};
  bool is_bracketed{false};  // it stood in [ ], as an IPv6 address does
};

// Splits "host:port", "[address]:port". Nothing if that is not what it is: the port is digits, 0 to 65535; a host is letters,
// digits, dots, hyphens and underscores, at most 253 of them (RFC 1035 2.3.4).
[[nodiscard]] std::optional<HostAndPort> parse_host_and_port(std::string_view text);

// All addresses of that host, in the order in which they are to be tried, at least one. An address is just read. **A name is
// looked up by getaddrinfo(3), which waits for the name service as long as resolv.conf(5) says**; names of /etc/hosts need
// none. invalid_endpoint (with `step`): no address stands in the brackets. Step::find_host: not_found (no such name), timed_out
// (no answer), out_of_memory, not_supported.
[[nodiscard]] Result<std::vector<TcpAddress>> find_addresses(const HostAndPort& where, Step step);

}  // namespace sluice::inline v0::os
