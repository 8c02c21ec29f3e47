// TCP sockets: listening, connecting without waiting, who is at which end.
#pragma once

#include <chrono>
#include <memory>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/stream_link.hpp"
#include "links/tether.hpp"
#include "links/waiter.hpp"
#include "os/tcp_address.hpp"

namespace sluice::inline v0::os {

// A socket that is not connected yet: one that listens, or one on its way; and what is waited for at it meanwhile.
struct AwaitedSocket {
  links::Descriptor socket;
  links::Descriptor event;  // which the system sets for it; none where the socket itself can be waited for

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(socket); }
  [[nodiscard]] links::Waitable waitable() const noexcept { return {event ? event.native() : socket.native()}; }
};

// Listens there (port 0: the system picks a free one). A port that a live listener has, on this address or on all, is
// address_in_use; one that only connections still have, those that outlive their listener or its death (TIME_WAIT), is free. An
// IPv6 socket takes IPv6 alone. Step::take_port: address_in_use; access_denied (a port below 1024); invalid_endpoint (no
// address of this machine); limit_reached; not_supported (no IPv6 here).
[[nodiscard]] Result<AwaitedSocket> listen_at(const TcpAddress& address);
// The next connection, which no program that is started inherits. would_block: none is waiting. A client that has gone again is
// passed over. limit_reached: no descriptors or memory left.
[[nodiscard]] Result<links::Descriptor> accept_at(const AwaitedSocket& listening) noexcept;
// The same for a socket that others have, too (os/adopted_socket.hpp).
[[nodiscard]] Result<links::Descriptor> accept_at_shared(const AwaitedSocket& listening) noexcept;

// Begins to connect; finish_connecting() tells how that ends. What may end it at once: as there.
[[nodiscard]] Result<AwaitedSocket> start_connecting(const TcpAddress& address);
// would_block: it goes on, wait for its waitable() to become writable. not_found (Step::connect): nobody listens there;
// not_found, access_denied (Step::find_host): the host can't be reached; peer_died, limit_reached (no port left for this end).
[[nodiscard]] Result<void> finish_connecting(const AwaitedSocket& connecting);

// Sockets that others have made. misuse (Step::adopt): it is none of TCP's, or isn't connected, or doesn't listen.
[[nodiscard]] Result<void> adopt_tcp_connection(const links::Descriptor& socket) noexcept;
[[nodiscard]] Result<AwaitedSocket> adopt_tcp_listener(links::Descriptor socket);

// A connected socket as a link.
[[nodiscard]] Result<std::unique_ptr<links::StreamLink>> make_tcp_link(links::Descriptor socket);

// No waiting for more to send (TCP_NODELAY, tcp(7)). With `keepalive` above 0: a host that has vanished is noticed, by asking
// after so long a silence, four times within as long again.
[[nodiscard]] Result<void> prepare_connected(const links::Descriptor& socket, std::chrono::seconds keepalive);
inline constexpr std::chrono::seconds kLongestKeepalive{32767};  // MAX_TCP_KEEPIDLE, linux/include/net/tcp.h

[[nodiscard]] Result<TcpAddress> own_address(const links::Descriptor& socket);
struct TcpEnds {
  TcpAddress ours;
  TcpAddress theirs;
};
// peer_died: it isn't connected (any more).
[[nodiscard]] Result<TcpEnds> ends_of(const links::Descriptor& socket);

// Severed once the other end of `socket` sends no more, or its process has ended, where the system says which that is.
[[nodiscard]] Result<std::unique_ptr<links::Tether>> tether_to_tcp(const links::Descriptor& socket);

// Whether neither side has ended the connection, as far as this one knows.
[[nodiscard]] bool is_established(const links::Descriptor& socket) noexcept;

}  // namespace sluice::inline v0::os
