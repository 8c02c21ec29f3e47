// Source: what is ready in two directions, for reading and for writing, as links::Waitable. A HANDLE has one state, so most
// things that can be waited for need no more (an event, a process, a timer); a stream with overlapped operations has two, and
// somebody has to fetch its completions besides.
#pragma once

#include <cstdint>

#include "links/waiter.hpp"
#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::os {

class Source {
 public:
  // What to wait for.
  struct Signals {
    HANDLE activity{};  // while look() has something to fetch
    HANDLE readable{};  // while that direction is known to be ready
    HANDLE writable{};
  };

  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  [[nodiscard]] virtual Signals signals() const noexcept = 0;
  // Fetches what has completed, and says which directions are ready. Never waits. Any thread.
  [[nodiscard]] virtual links::Interest look() noexcept = 0;

  // Borrowed. Handles are multiples of 4, objects are aligned: an odd number is a Source.
  [[nodiscard]] Waitable waitable() const noexcept { return {reinterpret_cast<std::intptr_t>(this) | 1}; }
};

// The Source that this is, or null: then it is a HANDLE.
[[nodiscard]] inline Source* source_of(Waitable waitable) noexcept {
  return (waitable.native & 1) == 0 || !waitable ? nullptr : reinterpret_cast<Source*>(waitable.native & ~std::intptr_t{1});
}

}  // namespace sluice::inline v0::os
