// Identity: who the operating system says is at the other end of a Unix socket, and whether that one may be there.
#pragma once

#include <sluice/channel.hpp>
#include <sluice/options.hpp>
#include <sluice/result.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::os {

// The peer of a connected Unix socket: the process that called connect(2) or listen(2), and its user at that time, as this
// process sees them. The process is missing where it lives in another process namespace.
[[nodiscard]] Result<Peer> peer_of(const links::Descriptor& socket);

// access_denied (Step::identify_peer; first: their user, second: ours) unless the peer is the own user, or anyone may come.
[[nodiscard]] Result<void> vouch_for(const Peer& peer, Allow allow) noexcept;

}  // namespace sluice::inline v0::os
