// Memory of the system's own that has no name: nobody opens it but whom it is handed to, and nothing stays of it when the last
// one has let go. Its size can be sealed: then no mapping of it can be cut.
#pragma once

#include <sluice/result.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::os {

// New and empty; close-on-exec, and nobody can execute it. limit_reached (Step::make_region): no descriptors or memory;
// access_denied, not_supported: the system, or a sandbox, has none for this process.
[[nodiscard]] Result<links::Descriptor> new_unnamed_memory();

// From here on nobody changes its size, nor what is sealed.
[[nodiscard]] Result<void> seal_size(const links::Descriptor& memory);

// Whether nobody can change its size any more, whoever it is from.
[[nodiscard]] bool has_sealed_size(const links::Descriptor& memory) noexcept;

}  // namespace sluice::inline v0::os
