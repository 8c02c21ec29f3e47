// ProcessTether: the peer's process object, which the kernel reports as ended: also when a forked child of the dead peer
// holds its sockets open.
#pragma once

#include <memory>

#include <sluice/channel.hpp>
#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/tether.hpp"

namespace sluice::inline v0::os {

// The tether to the process at the other end of a connected Unix socket; `peer` is what peer_of() said of it. A peer that is
// this process, or that this system can't name here, has none (NoTether). limit_reached: no descriptors left.
// What it opens is the right process once the peer has answered something that was sent afterwards: until then its number
// may have been given to another one, where the system has no better than a number.
[[nodiscard]] Result<std::unique_ptr<links::Tether>> tether_to(const links::Descriptor& socket, const Peer& peer);

// The tether to a process of which a handle is held (Linux: a pidfd).
[[nodiscard]] std::unique_ptr<links::Tether> tether_to_process(links::Descriptor process);

}  // namespace sluice::inline v0::os
