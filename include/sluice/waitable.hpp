// Waiting elsewhere: what arm() is asked for and answers, and the descriptor that an event loop waits for.
#pragma once

#include <cstdint>

namespace sluice::inline v0 {

// Something that the operating system can wait for. Linux: a file descriptor, for poll(2), epoll(7) and the like. Windows: a
// HANDLE, for WaitForSingleObject and the like, which stays signalled while it is ready: an event with manual reset, a process,
// a timer. One that the wait itself changes (an event with automatic reset, a semaphore, a mutex) is none.
struct Waitable {
  std::intptr_t native{-1};

  [[nodiscard]] explicit constexpr operator bool() const noexcept { return native != -1; }
  friend constexpr bool operator==(const Waitable&, const Waitable&) = default;
};

// What is waited for at a channel. That it has ended is always waited for. (With a foreign framing the end of what the peer
// sends may be all that it ever tells: `nothing` is over with it, `room` is not.)
enum class Want : std::uint8_t {
  nothing = 0,
  message = 1,  // a message to receive
  room = 2,     // room for a message, or the rest of what was last refused
};
[[nodiscard]] constexpr Want operator|(Want one, Want other) noexcept {
  return static_cast<Want>(static_cast<unsigned>(one) | static_cast<unsigned>(other));
}
[[nodiscard]] constexpr bool wants(Want all, Want one) noexcept {
  return (static_cast<unsigned>(all) & static_cast<unsigned>(one)) != 0;
}

// The answer of arm().
enum class Readiness : std::uint8_t {
  armed,  // nothing yet; what comes makes the waitable readable
  ready,  // there is something already: a message, room, an end, a connection
};

}  // namespace sluice::inline v0
