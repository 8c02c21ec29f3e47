// Winsock, started before the first call of it.
#pragma once

#include <sluice/result.hpp>

#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::os {

// Once for this copy of the library, and never ended: its sockets may live as long as the process. not_supported: there is
// none.
[[nodiscard]] Result<void> start_winsock() noexcept;

}  // namespace sluice::inline v0::os
