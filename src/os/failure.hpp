// From the system's error numbers to Sluice's: one table, so that the same cause has the same name everywhere.
#pragma once

#include <sluice/error.hpp>

namespace sluice::inline v0::os {

// What a failed system call means. `os_code` is errno as the call left it; a cause that has no name of its own becomes
// not_supported (the os_code tells).
[[nodiscard]] Error failure(int os_code, Step step) noexcept;

}  // namespace sluice::inline v0::os
