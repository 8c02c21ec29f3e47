// How a call on a session waits: try, perhaps spin, then announce, look again, sleep; until it has what it wants, or the
// deadline, an interrupt or a close ends it.
#pragma once

#include <chrono>
#include <optional>

#include "core/session.hpp"
#include "links/system.hpp"

namespace sluice::inline v0::core {

// A call that is in its waiting place: one at a time on each side. It connects the channel first, where that isn't done yet,
// and may wait for that until `deadline`.
class Session::Call {
 public:
  Call(Session& session, Side side, Step step, Deadline deadline) : Call(session, side, step, also_unconnected) {
    if (refusal_ || session.is_connected()) return;
    if (const auto begun = session.begin(side, step, deadline); !begun) refusal_ = begun.error();
  }
  // … which this one leaves as it is: the channel may not be connected.
  struct AlsoUnconnected {};
  static constexpr AlsoUnconnected also_unconnected{};
  Call(Session& session, Side side, Step step, AlsoUnconnected) noexcept : session_(session), side_(side) {
    if (session.is_foreign_process()) {
      refusal_ = Error{Errc::misuse, Step::use_after_fork, 0, 0, 0};
    } else if (!session.place(side).enter()) {
      refusal_ = Error{Errc::misuse, step, 0, 0, 0};
    } else {
      entered_ = true;
    }
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (!entered_) return;
    session_.place(side_).leave();
    // A sender that left it to this call to hear the peer does so itself now.
    if (side_ == Side::receiving && session_.sender_is_deaf_.exchange(false, std::memory_order_seq_cst))
      session_.wake(Side::sending);
    // What it has taken off the link, or heard, the link tells no event loop any more.
    if (side_ == Side::receiving && session_.is_armed_.exchange(false, std::memory_order_seq_cst)) session_.wake(Side::armed);
    if (session_.closing_.load(std::memory_order_seq_cst) && side_ != Side::closing) session_.wake(Side::closing);
  }
  // Why the call may not be made, if so.
  [[nodiscard]] const std::optional<Error>& refusal() const noexcept { return refusal_; }

 private:
  Session& session_;
  Side side_;
  bool entered_{false};
  std::optional<Error> refusal_;
};

template <class T>
[[nodiscard]] bool is_would_block(const Result<T>& result) noexcept {
  return !result && result.error().code == Errc::would_block;
}

// The end of a channel is kept once, and told by each call as its own; a close at this end stays one.
template <class T>
[[nodiscard]] Result<T> at_step(Step step, Result<T> result) noexcept {
  if (result || result.error().step == Step::close) return result;
  Error error = result.error();
  error.step = step;
  return error;
}

template <class Attempt>
auto Session::wait_for(Side side, Step step, Deadline deadline, Attempt try_it) -> decltype(try_it()) {
  // Nobody may call again after `closed`, and the peer's close() waits for the answer to its goodbye: so that goes first.
  auto attempt = [&] {
    auto tried = try_it();
    if (!tried && tried.error().code == Errc::closed && side != Side::closing && owes_answer()) tried = would_block();
    return tried;
  };
  auto result = attempt();
  if (!is_would_block(result) || deadline.is_now()) {
    // What can't be moved now an event loop moves, if there is one.
    if (out_work_.load(std::memory_order_acquire)) wake(Side::armed);
    if (is_would_block(result)) return Error{Errc::would_block, step, 0, 0, 0};
    return at_step(step, std::move(result));
  }
  if (spin(attempt, deadline, result)) return at_step(step, std::move(result));
  if (auto ready = place(side).start_waiting(tether()); !ready) return ready.error();
  {
    const WaitingPlace::Stay stay{place(side)};
    result = sleep_between(side, step, deadline, attempt);
  }
  stop_waiting_for_room(side);
  // What this call leaves undone another one that waits has to take over.
  if (out_work_.load(std::memory_order_acquire)) wake_all();
  return at_step(step, std::move(result));
}

template <class Attempt>
auto Session::sleep_between(Side side, Step step, Deadline deadline, Attempt& attempt) -> decltype(attempt()) {
  while (true) {
    announce(side);
    auto result = attempt();
    if (!is_would_block(result)) return result;
    if (place(side).take_interrupt()) return Error{Errc::interrupted, step, 0, 0, 0};
    if (deadline.has_passed()) return late(side, {Errc::timed_out, step, 0, 0, 0});
    if (!may_sleep(side)) continue;
    if (auto woken = sleep_once(side, wants_of(side), deadline); !woken) return woken.error();
  }
}

// A peer that answers at once is met awake: a sleep and its wake-up cost more than a thousand looks. Only for the ring (a look
// at a kernel object costs a system call), only where the peer can run meanwhile, and seldom when it was in vain lately.
template <class Attempt>
bool Session::spin(Attempt& attempt, Deadline deadline, decltype(std::declval<Attempt&>()())& result) {
  constexpr auto kSpin = std::chrono::microseconds{20};
  constexpr int kLooksPerClock = 16;
  constexpr int kPatience = 4;  // spins in vain, one after the other, before it becomes rare
  constexpr int kSeldom = 64;   // … and then one of so many waits spins
  constexpr auto one_more = [](int vain) { return vain < kPatience + kSeldom ? vain + 1 : kPatience + 1; };
  if (traits_.shape != Shape::region || processors_ < 2) return false;
  const int vain = vain_spins_.load(std::memory_order_relaxed);  // relaxed: a hint
  if (vain >= kPatience && (vain - kPatience) % kSeldom != 0) {
    vain_spins_.store(one_more(vain), std::memory_order_relaxed);
    return false;
  }
  const auto end = deadline.or_earlier(Deadline{kSpin});
  do {
    for (int look = 0; look < kLooksPerClock; ++look) {
      result = attempt();
      if (!is_would_block(result)) {
        vain_spins_.store(0, std::memory_order_relaxed);
        return true;
      }
    }
  } while (!end.has_passed());
  vain_spins_.store(one_more(vain), std::memory_order_relaxed);
  return false;
}

}  // namespace sluice::inline v0::core
