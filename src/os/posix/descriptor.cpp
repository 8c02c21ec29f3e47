// links::Descriptor over file descriptors. It stands on the registry in os/fork.hpp.
#include "links/descriptor.hpp"

#include <unistd.h>

#include "links/system.hpp"
#include "os/fork.hpp"

namespace sluice::inline v0::links {

Descriptor::Descriptor(Native native) noexcept : native_(native), generation_(process_generation()) {
  os::register_descriptor(static_cast<int>(native_));
}

void Descriptor::reset() noexcept {
  const Native native = std::exchange(native_, kNone);
  // In a forked child the fork handler has closed it, and the number may be somebody else's by now.
  if (native == kNone || generation_ != process_generation()) return;
  os::unregister_descriptor(static_cast<int>(native));
  // Not repeated after EINTR: Linux has released the number by then (close(2), "Dealing with error returns").
  ::close(static_cast<int>(native));
}

Descriptor::Native Descriptor::release() noexcept {
  const Native native = std::exchange(native_, kNone);
  if (native == kNone || generation_ != process_generation()) return kNone;
  os::unregister_descriptor(static_cast<int>(native));
  return native;
}

}  // namespace sluice::inline v0::links
