// What of an address only the system can read, write or look up: under os/tcp_address.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/result.hpp>

#include "os/tcp_address.hpp"

namespace sluice::inline v0::os {

// An address of IPv4, of IPv6; nothing if that is not what it is. With an interface behind %, by name or number (RFC 4007 11).
[[nodiscard]] std::optional<TcpAddress> read_v4(const std::string& text) noexcept;
[[nodiscard]] std::optional<TcpAddress> read_v6(const std::string& text) noexcept;

// As find_addresses(), of a name.
[[nodiscard]] Result<std::vector<TcpAddress>> look_up(const std::string& name);

// A number written in digits, and nothing else; nothing above 2^32 - 1.
[[nodiscard]] std::optional<std::uint32_t> read_digits(std::string_view digits) noexcept;

}  // namespace sluice::inline v0::os
