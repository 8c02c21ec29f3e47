// Sockets that others have made and handed over: what they are is looked at before they are used.
#pragma once

#include <sluice/result.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::os {

// A stream socket of that family (AF_UNIX, AF_INET …; socket(7), SO_DOMAIN).
[[nodiscard]] bool is_stream_socket(const links::Descriptor& handle, int family) noexcept;

// Checks that a stream socket is connected, or listens, and makes it close-on-exec and non-blocking. The latter belongs to all
// that share the socket: nothing here depends on it (os/socket_calls.hpp) but accept. misuse (Step::adopt): it isn't.
[[nodiscard]] Result<void> prepare_adopted_connection(const links::Descriptor& socket) noexcept;
[[nodiscard]] Result<void> prepare_adopted_listener(const links::Descriptor& socket) noexcept;

}  // namespace sluice::inline v0::os
