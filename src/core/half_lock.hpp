// The lock of one half of a session, and whether a call is in the waiting place of that half: one word, so that a call which
// needn't wait takes both, and gives both back, with one locked instruction each. These are most of what a small message costs.
#pragma once

#include <atomic>
#include <cstdint>

#include "links/system.hpp"

namespace sluice::inline v0::core {

// A mutex (std::lock_guard, std::scoped_lock), held for one try and never while waiting; and the mark of a call, which is there
// from its beginning to its end.
class HalfLock {
 public:
  HalfLock() = default;
  HalfLock(const HalfLock&) = delete;
  HalfLock& operator=(const HalfLock&) = delete;

  void lock() noexcept {
    std::uint32_t now = word_.load(std::memory_order_relaxed);  // relaxed: a guess
    // acquire: pairs with the release in unlock()
    while ((now & kLocked) != 0 ||
           !word_.compare_exchange_weak(now, now | kLocked, std::memory_order_acquire, std::memory_order_relaxed)) {
      if ((now & kLocked) != 0) now = wait_for_change(now);
    }
  }
  [[nodiscard]] bool try_lock() noexcept {
    // acquire: as in lock()
    return (word_.fetch_or(kLocked, std::memory_order_acquire) & kLocked) == 0;
  }
  void unlock() noexcept {
    // release: pairs with the acquire in lock(); what was done under the lock is visible to who has it next
    const std::uint32_t before = word_.fetch_and(~(kLocked | kWanted), std::memory_order_release);
    if ((before & kWanted) != 0) links::tell_change(word_);
  }

  // One call at a time: false if another one is in. The orders are those of WaitingPlace::enter(), leave() and is_busy().
  [[nodiscard]] bool enter() noexcept { return (word_.fetch_or(kCall, std::memory_order_seq_cst) & kCall) == 0; }
  void leave() noexcept { word_.fetch_and(~kCall, std::memory_order_seq_cst); }
  [[nodiscard]] bool is_busy() const noexcept { return (word_.load(std::memory_order_seq_cst) & kCall) != 0; }

  // Both at once, if nobody has either.
  [[nodiscard]] bool enter_and_lock() noexcept {
    std::uint32_t nobody = 0;
    // seq_cst: as enter(); and acquires as lock()
    return word_.compare_exchange_strong(nobody, kCall | kLocked, std::memory_order_seq_cst, std::memory_order_relaxed);
  }
  void unlock_and_leave() noexcept {
    // seq_cst: as leave(); and releases as unlock()
    const std::uint32_t before = word_.exchange(0, std::memory_order_seq_cst);
    if ((before & kWanted) != 0) links::tell_change(word_);
  }

 private:
  static constexpr std::uint32_t kCall = 1;
  static constexpr std::uint32_t kLocked = 2;
  static constexpr std::uint32_t kWanted = 4;  // somebody waits for the lock: notify when it is free

  // Waits until the word may have changed, which holds kLocked; says what it is then.
  [[nodiscard]] std::uint32_t wait_for_change(std::uint32_t now) noexcept {
    // relaxed: nothing is read through this. Who unlocks after it sees kWanted and notifies; if the lock was freed before it,
    // the word is another one, and this fails or returns at once.
    const bool is_marked = (now & kWanted) != 0 || word_.compare_exchange_strong(now, now | kWanted, std::memory_order_relaxed);
    if (is_marked) links::wait_for_change(word_, now | kWanted);
    return word_.load(std::memory_order_relaxed);
  }

  std::atomic<std::uint32_t> word_{0};
};

}  // namespace sluice::inline v0::core
