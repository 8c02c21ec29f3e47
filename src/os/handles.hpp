// Handles that a peer handed over are of whatever kind the peer likes: what they are is looked at before they are used.
#pragma once

#include <cstddef>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::os {

// Memory of the system's own (a shared memory object, a memfd) of exactly that size, open for reading and writing. A file of
// another file system could make an access wait for ever.
[[nodiscard]] bool is_shared_memory(const links::Descriptor& handle, std::size_t size);

// False if the handle knows no such mode. The mode belongs to all that share the open file, the peer among them.
[[nodiscard]] bool set_nonblocking(const links::Descriptor& handle) noexcept;

// False if it is not open.
[[nodiscard]] bool set_close_on_exec(const links::Descriptor& handle) noexcept;

// A second descriptor of the same open file, close-on-exec. limit_reached (`step`): no descriptors left; misuse: it isn't
// open.
[[nodiscard]] Result<links::Descriptor> duplicate(links::Descriptor::Native handle, Step step);

}  // namespace sluice::inline v0::os
