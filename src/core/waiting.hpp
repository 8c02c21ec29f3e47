// Where a call on a channel waits. Up to three calls may wait at the same time, on three threads: one that receives, one that
// sends, one that closes. Each has a place of its own; whoever changes what another waits for wakes that one.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <sluice/deadline.hpp>
#include <sluice/result.hpp>

#include "core/any_records.hpp"
#include "core/half_lock.hpp"
#include "links/alarm.hpp"
#include "links/tether.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {

// `armed` never sleeps here: an event loop waits for it elsewhere (Session::arm).
enum class Side : std::uint8_t { receiving, sending, closing, armed };
inline constexpr std::array kSides{Side::receiving, Side::sending, Side::closing, Side::armed};

// What ended a wait.
struct Woken {
  bool rung{false};      // the link has something, or the doorbell rang
  bool writable{false};  // the link takes something; a doorbell tells nothing of it
  bool severed{false};   // the tether
};

class WaitingPlace {
 public:
  // One call at a time: false if another one is in it.
  [[nodiscard]] bool enter() noexcept {
    // seq_cst: a call enters and then looks whether the channel is closing; close() says so and then looks who is in. One of
    // the two sees the other. Also acquires what the last call did to this place.
    return half_.enter();
  }
  // seq_cst: a call leaves and then looks whether close() is to be told; close() says so and then looks who is in. Also
  // releases what the call did to this place, for the next one and for who lets go of the link.
  void leave() noexcept { half_.leave(); }
  [[nodiscard]] bool is_busy() const noexcept { return half_.is_busy(); }
  // The lock of the half whose calls are here: those of `receiving` and `sending` are the session's two.
  [[nodiscard]] HalfLock& half() noexcept { return half_; }

  // From here until stop_waiting() wake() reaches this place. What was changed under a session's lock before the caller
  // looks under that lock is seen by that look; what is changed later comes with a wake().
  // `tether`: null before there is one.
  Result<void> start_waiting(const links::Tether* tether);
  // release: pairs with nothing that must be seen; a wake() that still sees the old value is one in vain.
  void stop_waiting() noexcept { waiting_.store(false, std::memory_order_release); }
  // A hint: it may be over the next moment.
  [[nodiscard]] bool is_waiting() const noexcept { return waiting_.load(std::memory_order_seq_cst); }
  // Stops waiting at the end of a scope.
  class Stay {
   public:
    explicit Stay(WaitingPlace& place) noexcept : place_(place) {}
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;
    ~Stay() { place_.stop_waiting(); }

   private:
    WaitingPlace& place_;
  };

  // Sleeps until one of the points is ready, the tether is severed, wake() or the deadline.
  Result<Woken> sleep(std::span<const WaitingPoint> points, Deadline deadline);

  // After start_waiting(), for a place that is waited for elsewhere: makes waitable() readable after some time, or no longer.
  // limit_reached: no descriptors left.
  Result<void> set_alarm(std::optional<std::chrono::milliseconds> from_now);

  // Readable while a sleep() here would be over, for an event loop to wait for; none before the first start_waiting().
  [[nodiscard]] links::Waitable waitable() const noexcept { return waiter_ ? waiter_->waitable() : links::Waitable{}; }
  // Lets go of points and tether before they are closed, for an event loop may go on waiting here. After it every sleep() but
  // for wake() is over at once. No call is in this place any more.
  void forget(const links::Tether* tether) noexcept;

  // Any thread.
  void wake() noexcept {
    // seq_cst: together with the store in start_waiting(), see there
    if (waiting_.load(std::memory_order_seq_cst)) waiter_->wake();
  }

  // interrupt(): seen once by the call that waits, or by the next one that would.
  void interrupt() noexcept {
    interrupted_.store(true, std::memory_order_seq_cst);  // before the look at waiting_ in wake()
    wake();
  }
  // For those who don't sleep yet: relaxed, for they look again before they do.
  [[nodiscard]] bool is_interrupted() const noexcept { return interrupted_.load(std::memory_order_relaxed); }
  // seq_cst: after the store in start_waiting(). Either this sees the interrupt, or that one's wake() sees that somebody waits.
  [[nodiscard]] bool take_interrupt() noexcept { return interrupted_.exchange(false, std::memory_order_seq_cst); }

 private:
  Result<void> prepare(const links::Tether* tether);
  Result<void> register_point(std::size_t index, WaitingPoint point);

  std::optional<links::Waiter> waiter_;  // made by the first wait; never changed while waiting_
  std::array<WaitingPoint, 2> registered_{};
  bool is_tether_watched_{false};
  std::optional<links::Alarm> alarm_;  // made when it is first set
  HalfLock half_;
  std::atomic<bool> waiting_{false};
  std::atomic<bool> interrupted_{false};
};

}  // namespace sluice::inline v0::core
