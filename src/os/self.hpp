// This process, as the system names it to others.
#pragma once

#include <sluice/channel.hpp>

namespace sluice::inline v0::os {

// Its process id and effective user: what a Unix socket would tell the other side (SO_PEERCRED, unix(7)).
[[nodiscard]] Peer this_process() noexcept;

}  // namespace sluice::inline v0::os
