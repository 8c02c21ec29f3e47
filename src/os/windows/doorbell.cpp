// The doorbell as two events with manual reset, one for each end: ringing sets the other's, which stays set until it is
// silenced. Whoever holds an event can do nothing with it but set or reset it, so a peer can wake us in vain, or not at all.
#include "os/doorbell.hpp"

#include "os/failure.hpp"
#include "os/handles.hpp"
#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::os {

Result<Doorbell::Pair> Doorbell::create() {
  auto one = own(::CreateEventW(nullptr, TRUE, FALSE, nullptr));
  if (!one) return failure(last_error(), Step::offer);
  auto other = own(::CreateEventW(nullptr, TRUE, FALSE, nullptr));
  if (!other) return failure(last_error(), Step::offer);
  auto one_again = duplicate(one.native(), Step::offer);
  if (!one_again) return one_again.error();
  auto other_again = duplicate(other.native(), Step::offer);
  if (!other_again) return other_again.error();
  return Pair{Doorbell{std::move(one), *std::move(other_again)}, Doorbell{std::move(other), *std::move(one_again)}};
}

void Doorbell::ring() const noexcept { (void)::SetEvent(to_handle(other_)); }

// An event tells nothing of who else has it: that the other end is gone is the tether's to say.
bool Doorbell::silence() const noexcept {
  (void)::ResetEvent(to_handle(end_));
  return true;
}

}  // namespace sluice::inline v0::os
