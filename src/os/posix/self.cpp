#include "os/self.hpp"

#include <unistd.h>

namespace sluice::inline v0::os {

Peer this_process() noexcept { return {.process_id = ::getpid(), .user_id = ::geteuid()}; }

}  // namespace sluice::inline v0::os
