// Gate over eventfd(2): readable while its counter is above 0, writable while 1 can be added to it.
//
//   ready for reading   open: 1   closed: 0
//   ready for writing   open: 0   closed: the largest counter there is, to which nothing can be added
#include "os/gate.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr std::uint64_t kFull = 0xffff'ffff'ffff'fffe;  // "The maximum value that may be stored", eventfd(2)

// The counter that means closed (for writing) or open (for reading); 0 is the other.
constexpr std::uint64_t raised(Gate::Ready ready) noexcept { return ready == Gate::Ready::for_reading ? 1 : kFull; }

constexpr bool is_raised(Gate::Ready ready, bool open) noexcept { return (ready == Gate::Ready::for_reading) == open; }

// Neither call can block or fail: the counter is 0 before it is raised, and above 0 before it is read (and thereby made 0).
void move_counter(int event, Gate::Ready ready, bool open) noexcept {
  std::uint64_t count = raised(ready);
  if (is_raised(ready, open)) {
    (void)!::write(event, &count, sizeof count);
  } else {
    (void)!::read(event, &count, sizeof count);
  }
}

}  // namespace

Result<Gate> Gate::create(Ready ready, bool open) {
  const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) return failure(errno, Step::make_waiter);
  links::Descriptor owned{event};
  if (is_raised(ready, open)) move_counter(event, ready, open);
  return Gate{std::move(owned), ready, open};
}

void Gate::set(bool open) noexcept {
  if (open == open_) return;
  open_ = open;
  move_counter(static_cast<int>(event_.native()), ready_, open);
}

}  // namespace sluice::inline v0::os
