// links::Alarm over timerfd_create(2).
#include "links/alarm.hpp"

#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "os/failure.hpp"

namespace sluice::inline v0::links {
namespace {

// Setting a timer takes back that it had expired (timerfd_create(2), read(2) there); zeros disarm it.
void set_timer(const Descriptor& timer, std::chrono::nanoseconds from_now) noexcept {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(from_now);
  itimerspec when{};
  when.it_value.tv_sec = static_cast<std::time_t>(seconds.count());
  when.it_value.tv_nsec = static_cast<long>(std::chrono::nanoseconds{from_now - seconds}.count());
  (void)::timerfd_settime(static_cast<int>(timer.native()), 0, &when, nullptr);
}

}  // namespace

Result<Alarm> Alarm::create() {
  Descriptor timer{::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
  if (!timer) return os::failure(errno, Step::make_waiter);
  return Alarm{std::move(timer)};
}

void Alarm::set(std::chrono::milliseconds from_now) noexcept {
  set_timer(timer_, std::max(from_now, std::chrono::milliseconds{1}));
}

void Alarm::stop() noexcept { set_timer(timer_, std::chrono::nanoseconds{0}); }

}  // namespace sluice::inline v0::links
