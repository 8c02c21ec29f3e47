// ConnectionTether: the end of a stream's other side (a socket's, or that of two pipes), told although nobody reads what lies
// in front of it.
#pragma once

#include <memory>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/tether.hpp"

namespace sluice::inline v0::os {

// Severed once the other end of `socket`, which is connected, sends no more: it has closed, its process has died, or the system
// has given the connection up. `socket` stays the caller's, and is closed before or soon after the tether. limit_reached: no
// descriptors left.
[[nodiscard]] Result<std::unique_ptr<links::Tether>> tether_to_connection(const links::Descriptor& socket);
// The same, and severed, too, once `process` is.
[[nodiscard]] Result<std::unique_ptr<links::Tether>> tether_to_connection(const links::Descriptor& socket,
                                                                          std::unique_ptr<links::Tether> process);

// The same for two pipes: severed once the other end of either is closed.
[[nodiscard]] Result<std::unique_ptr<links::Tether>> tether_to_connection(const links::Descriptor& reading,
                                                                          const links::Descriptor& writing);

}  // namespace sluice::inline v0::os
