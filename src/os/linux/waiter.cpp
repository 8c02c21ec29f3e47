// links::Waiter over epoll(7), woken through an eventfd(2).
#include "links/waiter.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <ctime>
#include <new>

#include "links/descriptor.hpp"
#include "os/failure.hpp"

namespace sluice::inline v0::links {

struct Waiter::Set {
  Descriptor epoll;
  Descriptor wake_up;  // eventfd
};

void Waiter::DropSet::operator()(Set* set) const noexcept { delete set; }

namespace {

constexpr std::size_t kEventsAtOnce = 64;  // what one epoll_wait fetches: 768 bytes of stack

int number(const Descriptor& descriptor) noexcept { return static_cast<int>(descriptor.native()); }

Result<void> control(int set, int operation, Waitable waitable, Interest interest, std::uint64_t key) {
  epoll_event event{};
  // EPOLLERR and EPOLLHUP are always waited for (epoll_ctl(2)).
  event.events = (interest.readable ? std::uint32_t{EPOLLIN} : 0U) | (interest.writable ? std::uint32_t{EPOLLOUT} : 0U);
  event.data.u64 = key;
  if (::epoll_ctl(set, operation, static_cast<int>(waitable.native), &event) == 0) return {};
  return os::failure(errno, Step::make_waiter);
}

// epoll_wait for the remaining time in whole milliseconds, never less than what remains.
int wait_in_milliseconds(int set, epoll_event* events, int count, Deadline::Clock::duration remaining) noexcept {
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(remaining).count();
  return ::epoll_wait(set, events, count, static_cast<int>(std::min<decltype(milliseconds)>(milliseconds, INT_MAX)));
}

int wait_once(int set, epoll_event* events, int count, Deadline deadline) noexcept {
  // No time-out at all rather than a long one: an idle channel sleeps.
  if (deadline.is_never()) return ::epoll_wait(set, events, count, -1);
  const auto remaining = deadline.remaining();
  if (remaining == Deadline::Clock::duration::zero()) return ::epoll_wait(set, events, count, 0);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(remaining);
  const timespec time{.tv_sec = static_cast<std::time_t>(seconds.count()),
                      .tv_nsec = static_cast<long>(std::chrono::nanoseconds{remaining - seconds}.count())};
  const int result = ::epoll_pwait2(set, events, count, &time, nullptr);
  // Linux 5.11 has it; elsewhere, and where a sandbox forbids what it doesn't know, milliseconds must do.
  if (result < 0 && (errno == ENOSYS || errno == EPERM)) return wait_in_milliseconds(set, events, count, remaining);
  return result;
}

// A hang-up or an error is met by reading and by writing alike.
Ready ready_from(const epoll_event& event) noexcept {
  const bool ended = (event.events & (std::uint32_t{EPOLLHUP} | std::uint32_t{EPOLLERR})) != 0;
  return {.key = event.data.u64,
          .readable = ended || (event.events & std::uint32_t{EPOLLIN}) != 0,
          .writable = ended || (event.events & std::uint32_t{EPOLLOUT}) != 0};
}

void consume(int wake_up) noexcept {
  std::uint64_t count = 0;
  (void)!::read(wake_up, &count, sizeof count);  // non-blocking: EAGAIN when somebody was faster
}

}  // namespace

Result<Waiter> Waiter::create() {
  Descriptor set{::epoll_create1(EPOLL_CLOEXEC)};
  if (!set) return os::failure(errno, Step::make_waiter);
  Descriptor wake_up{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!wake_up) return os::failure(errno, Step::make_waiter);
  if (auto added = control(number(set), EPOLL_CTL_ADD, {wake_up.native()}, {.readable = true}, kWoken); !added)
    return added.error();
  OwnedSet owned{new (std::nothrow) Set{std::move(set), std::move(wake_up)}};
  if (!owned) return Error{Errc::out_of_memory, Step::make_waiter, 0, 0, 0};
  return Waiter{std::move(owned)};
}

Result<void> Waiter::add(Waitable waitable, Interest interest, std::uint64_t key) {
  return control(number(set_->epoll), EPOLL_CTL_ADD, waitable, interest, key);
}

Result<void> Waiter::modify(Waitable waitable, Interest interest, std::uint64_t key) {
  return control(number(set_->epoll), EPOLL_CTL_MOD, waitable, interest, key);
}

void Waiter::remove(Waitable waitable) noexcept {
  epoll_event unused{};
  (void)::epoll_ctl(number(set_->epoll), EPOLL_CTL_DEL, static_cast<int>(waitable.native), &unused);
}

Waitable Waiter::waitable() const noexcept { return {set_->epoll.native()}; }

Result<std::size_t> Waiter::wait(std::span<Ready> ready, Deadline deadline) {
  std::array<epoll_event, kEventsAtOnce> events;
  const int room = static_cast<int>(std::min(ready.size(), events.size()));
  while (true) {
    const int count = wait_once(number(set_->epoll), events.data(), room, deadline);
    if (count < 0 && errno != EINTR) return os::failure(errno, Step::wait);
    if (count > 0) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        ready[i] = ready_from(events[i]);
        if (ready[i].key == kWoken) consume(number(set_->wake_up));
      }
      return static_cast<std::size_t>(count);
    }
    // A signal, or the system's timer was early: what remains is waited for.
    if (count == 0 && deadline.has_passed()) return std::size_t{0};
  }
}

void Waiter::wake() noexcept {
  const int saved = errno;  // a signal handler must not change it
  const std::uint64_t one = 1;
  (void)!::write(number(set_->wake_up), &one, sizeof one);  // EAGAIN: full, so it wakes already
  errno = saved;
}

}  // namespace sluice::inline v0::links
