// Gate over an event with manual reset: signalled while it is open, for whichever direction that means.
#include "os/gate.hpp"

#include "os/failure.hpp"
#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::os {

Result<Gate> Gate::create(Ready ready, bool open) {
  auto event = own(::CreateEventW(nullptr, TRUE, open ? TRUE : FALSE, nullptr));
  if (!event) return failure(last_error(), Step::make_waiter);
  return Gate{std::move(event), ready, open};
}

void Gate::set(bool open) noexcept {
  if (open == open_) return;
  open_ = open;
  (void)(open ? ::SetEvent(to_handle(event_)) : ::ResetEvent(to_handle(event_)));
}

}  // namespace sluice::inline v0::os
