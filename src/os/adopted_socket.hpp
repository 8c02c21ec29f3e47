// Sockets that others have made and handed over: what they are is looked at before they are used.
#pragma once

#include <sluice/result.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::os {

// A stream socket of that family (AF_UNIX, AF_INET …; socket(7), SO_DOMAIN).
[[nodiscard]] bool is_stream_socket(const links::Descriptor& handle, int family) noexcept;

// Checks that a stream socket is connected, and makes it close-on-exec. Whether it is non-blocking belongs to all that share
// it, and stays as it is: each call on a connection says itself that it doesn't wait (MSG_DONTWAIT, os/socket_calls.hpp).
// misuse (Step::adopt): it isn't.
[[nodiscard]] Result<void> prepare_adopted_connection(const links::Descriptor& socket) noexcept;
// … that it listens, and makes it close-on-exec and non-blocking: accept4(2) has no such flag. Whoever shares it may take that
// away again: accept_shared().
[[nodiscard]] Result<void> prepare_adopted_listener(const links::Descriptor& socket) noexcept;

// accept_connection() (os/socket_calls.hpp) that looks first, so as not to wait where the mode is gone. It still could if
// another process took the very connection in between.
[[nodiscard]] Result<links::Descriptor> accept_shared(const links::Descriptor& listening) noexcept;

}  // namespace sluice::inline v0::os
