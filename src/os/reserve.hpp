// Backing a stretch of a file with memory or disk before it is written through a mapping.
#pragma once

#include <cstddef>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::os {

// What lies there already stays. limit_reached (Step::reserve_memory; first: the bytes needed, second: what the file system has
// left): there is no more.
[[nodiscard]] Result<void> back_with_memory(const links::Descriptor& file, std::size_t offset, std::size_t size);

}  // namespace sluice::inline v0::os
