// SocketOwner: whose a TCP socket of this machine is, as the kernel says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <sluice/channel.hpp>
#include <sluice/result.hpp>

#include "os/tcp_address.hpp"

namespace sluice::inline v0::os {

struct SocketOwner {
  bool is_connected{false};    // established: neither side has ended it
  bool is_half_closed{false};  // its own side has ended its writing
  bool has_file{false};  // a process has it open: not one that waits to be accepted, nor one that its process has left behind
  std::int64_t user_id{0};     // Linux: whoever made the socket; means nothing without a file
  std::int64_t process_id{0};  // Windows: whose it is; means nothing without a file

  friend bool operator==(const SocketOwner&, const SocketOwner&) = default;
};

// The socket at `at` whose other end is at `to` (nobody(at): it listens). Nothing: there is none. Both must
// be addresses of this machine. Step::identify_peer: not_supported (this system, or a sandbox, doesn't tell), limit_reached.
[[nodiscard]] Result<std::optional<SocketOwner>> owner_of(const TcpAddress& at, const TcpAddress& to);

// The other end of a socket that has none: no address, no port, of the same family.
[[nodiscard]] constexpr TcpAddress nobody(const TcpAddress& at) noexcept { return {.is_v6 = at.is_v6}; }

// What the kernel's answer to such a question says (Linux). not_supported: it is none.
[[nodiscard]] Result<std::optional<SocketOwner>> read_owner(std::span<const std::byte> answer, const TcpAddress& at,
                                                            const TcpAddress& to);

// Who is at the other end of a connection on this machine: whose the socket at `at` is, connected to `to`. Linux tells the
// user, Windows the process. would_block: nobody has accepted it yet; peer_died: there is none that is connected, or
// half-closed and still open, (any more); the others as owner_of().
[[nodiscard]] Result<Peer> connected_peer(const TcpAddress& at, const TcpAddress& to);

// False: this system tells of nobody's sockets whose they are (Wine), and nothing can be asked.
[[nodiscard]] bool are_owners_told() noexcept;

}  // namespace sluice::inline v0::os
