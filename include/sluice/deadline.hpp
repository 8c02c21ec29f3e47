// Deadline: the point in time at which a call gives up. The last parameter of every call that can wait.
#pragma once

#include <chrono>

namespace sluice::inline v0 {

// Made from a duration (counted from its construction), a steady_clock time point, never() or now().
// A call that is given now() only tries, and answers would_block; any other deadline answers timed_out.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  constexpr Deadline(Clock::time_point when) noexcept : when_(when) {}  // NOLINT(google-explicit-constructor)

  template <class Rep, class Period>
  Deadline(std::chrono::duration<Rep, Period> wait) noexcept : when_(after(wait)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] static constexpr Deadline never() noexcept { return Deadline{Clock::time_point::max()}; }
  [[nodiscard]] static constexpr Deadline now() noexcept { return Deadline{Clock::time_point::min()}; }

  [[nodiscard]] constexpr bool is_never() const noexcept { return when_ == Clock::time_point::max(); }
  [[nodiscard]] constexpr bool is_now() const noexcept { return when_ == Clock::time_point::min(); }
  [[nodiscard]] bool has_passed() const noexcept { return !is_never() && (is_now() || Clock::now() >= when_); }

  // What is left until then, never negative; Clock::duration::max() for never().
  [[nodiscard]] Clock::duration remaining() const noexcept {
    if (is_never()) return Clock::duration::max();
    if (is_now()) return Clock::duration::zero();
    const auto now = Clock::now();
    return when_ <= now ? Clock::duration::zero() : when_ - now;
  }

  [[nodiscard]] constexpr Clock::time_point time_point() const noexcept { return when_; }

  // The earlier of two.
  [[nodiscard]] constexpr Deadline or_earlier(Deadline other) const noexcept { return when_ <= other.when_ ? *this : other; }

 private:
  // Durations beyond what the clock can hold (hours::max() …) mean never; zero and negative ones have passed at once.
  template <class Rep, class Period>
  static Clock::time_point after(std::chrono::duration<Rep, Period> wait) noexcept {
    const auto start = Clock::now();
    if (!(wait > wait.zero())) return start;  // also what is no number
    const std::chrono::duration<double> room = Clock::time_point::max() - start;
    if (std::chrono::duration<double>(wait) >= room) return Clock::time_point::max();
    return start + std::chrono::ceil<Clock::duration>(wait);
  }

  Clock::time_point when_;
};

}  // namespace sluice::inline v0
