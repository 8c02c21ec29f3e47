// The doorbell as an eventfd(2): a ring adds 1, silence() takes all.
#include "os/doorbell.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "os/failure.hpp"
#include "os/handles.hpp"

namespace sluice::inline v0::os {

Result<Doorbell> Doorbell::create() {
  links::Descriptor event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!event) return failure(errno, Step::offer);
  return Doorbell{std::move(event)};
}

Result<Doorbell> Doorbell::adopt(links::Descriptor handle) {
  // A file of another kind could make ring() wait (a pipe without room, a file system of the peer's own).
  if (!is_eventfd(handle) || !set_nonblocking(handle)) return Error{Errc::protocol_error, Step::offer, 0, 0, 0};
  return Doorbell{std::move(handle)};
}

Result<links::Descriptor> Doorbell::duplicate() const { return os::duplicate(event_, Step::offer); }

void Doorbell::ring() const noexcept {
  const std::uint64_t one = 1;
  (void)!::write(static_cast<int>(event_.native()), &one, sizeof one);
}

void Doorbell::silence() const noexcept {
  std::uint64_t count = 0;
  (void)!::read(static_cast<int>(event_.native()), &count, sizeof count);
}

}  // namespace sluice::inline v0::os
