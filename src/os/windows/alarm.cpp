// links::Alarm over a waitable timer with manual reset ("CreateWaitableTimerEx function"): it stays signalled until it is set
// again.
#include "links/alarm.hpp"

#include <algorithm>
#include <cstdint>

#include "os/failure.hpp"
#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::links {
namespace {

using Ticks = std::chrono::duration<std::int64_t, std::ratio<1, 10'000'000>>;  // of 100 ns, as the system counts

void set_timer(const Descriptor& timer, Ticks from_now) noexcept {
  LARGE_INTEGER due{};
  due.QuadPart = -from_now.count();  // negative: from now on
  (void)::SetWaitableTimer(os::to_handle(timer), &due, 0, nullptr, nullptr, FALSE);
}

}  // namespace

Result<Alarm> Alarm::create() {
  Descriptor timer = os::own(::CreateWaitableTimerExW(nullptr, nullptr, CREATE_WAITABLE_TIMER_MANUAL_RESET, TIMER_ALL_ACCESS));
  if (!timer) return os::failure(os::last_error(), Step::make_waiter);
  return Alarm{std::move(timer)};
}

void Alarm::set(std::chrono::milliseconds from_now) noexcept {
  set_timer(timer_, std::max(from_now, std::chrono::milliseconds{1}));
}

// Cancelling leaves a timer that has expired signalled ("CancelWaitableTimer function"); setting it takes that back.
void Alarm::stop() noexcept {
  set_timer(timer_, std::chrono::hours{24});
  (void)::CancelWaitableTimer(os::to_handle(timer_));
}

}  // namespace sluice::inline v0::links
