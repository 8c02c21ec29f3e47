// SocketOwner: whose a TCP socket of this machine is, as the kernel says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <sluice/result.hpp>

#include "os/tcp_address.hpp"

namespace sluice::inline v0::os {

struct SocketOwner {
  bool is_connected{false};    // established: neither side has ended it
  bool is_half_closed{false};  // its own side has ended its writing
  bool has_file{false};  // a process has it open: not one that waits to be accepted, nor one that its process has left behind
  std::int64_t user_id{0};  // whoever made the socket; means nothing without a file

  friend bool operator==(const SocketOwner&, const SocketOwner&) = default;
};

// The socket at `at` whose other end is at `to` (nobody(at): it listens). Nothing: there is none. Both must
// be addresses of this machine. Step::identify_peer: not_supported (this system, or a sandbox, doesn't tell), limit_reached.
[[nodiscard]] Result<std::optional<SocketOwner>> owner_of(const TcpAddress& at, const TcpAddress& to);

// The other end of a socket that has none: no address, no port, of the same family.
[[nodiscard]] constexpr TcpAddress nobody(const TcpAddress& at) noexcept { return {.is_v6 = at.is_v6}; }

// What the kernel's answer to such a question says. not_supported: it is none.
[[nodiscard]] Result<std::optional<SocketOwner>> read_owner(std::span<const std::byte> answer, const TcpAddress& at,
                                                            const TcpAddress& to);

// The user at the other end of a connection on this machine: of the socket at `at`, connected to `to`. would_block: nobody has
// accepted it yet; peer_died: there is none that is connected, or
// half-closed and still open, (any more); the others as owner_of().
[[nodiscard]] Result<std::int64_t> connected_user(const TcpAddress& at, const TcpAddress& to);

}  // namespace sluice::inline v0::os
