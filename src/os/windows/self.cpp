#include "os/self.hpp"

#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::os {

// A user is a SID here, and no number.
Peer this_process() noexcept { return {.process_id = ::GetCurrentProcessId(), .user_id = {}}; }

}  // namespace sluice::inline v0::os
