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
  // A call of the sending side waits for its turn, too, with Senders::many.
  Call(Session& session, Side side, Step step, Deadline deadline) : Call(session, side) {
    if (refusal_) return;
    if (side == Side::sending && session.turns_) take_turn(step, deadline);
    if (!refusal_) enter(step);
    if (refusal_ || session.is_connected()) return;
    if (const auto begun = session.begin(side, step, deadline); !begun) refusal_ = begun.error();
  }
  // … which this one leaves as it is: the channel may not be connected. Nor does it wait for anything.
  struct AlsoUnconnected {};
  static constexpr AlsoUnconnected also_unconnected{};
  Call(Session& session, Side side, Step step, AlsoUnconnected) noexcept : Call(session, side) {
    if (!refusal_) enter(step);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (entered_) leave();
    if (has_turn_) session_.turns_->give_back();
  }
  // Why the call may not be made, if so.
  [[nodiscard]] const std::optional<Error>& refusal() const noexcept { return refusal_; }
  // The turn is not given back with this call: a loan keeps it.
  void keep_turn() noexcept { has_turn_ = false; }

 private:
  Call(Session& session, Side side) noexcept : session_(session), side_(side) {
    if (session.is_foreign_process()) refusal_ = Error{Errc::misuse, Step::use_after_fork, 0, 0, 0};
  }
  void enter(Step step) noexcept {
    entered_ = session_.place(side_).enter();
    if (!entered_) refusal_ = Error{Errc::misuse, step, 0, 0, 0};
  }
  void take_turn(Step step, Deadline deadline) {
    using Given = Turns::Given;
    const auto given = session_.turns_->take(deadline, [&] { return session_.place(side_).take_interrupt(); });
    has_turn_ = given == Given::turn;
    if (has_turn_) return;
    if (given == Given::over) {
      const auto end = session_.outgoing_end().value_or(closed_here());
      // How connecting has failed is told as it is, as by begin().
      const bool stays = end.step == Step::close || !session_.is_connected();
      refusal_ = stays ? end : Error{end.code, step, end.os_code, end.first, end.second};
      return;
    }
    Errc code = Errc::misuse;  // this thread has a loan
    if (given == Given::too_late) code = deadline.is_now() ? Errc::would_block : Errc::timed_out;
    if (given == Given::interrupted) code = Errc::interrupted;
    refusal_ = Error{code, step, 0, 0, 0};
  }
  void leave() noexcept {
    session_.place(side_).leave();
    session_.after_leaving(side_);
  }

  Session& session_;
  Side side_;
  bool entered_{false};
  bool has_turn_{false};
  std::optional<Error> refusal_;
};

// What a call that has left its waiting place owes the others.
inline void Session::after_leaving(Side side) noexcept {
  // seq_cst: see the words. A look alone, for nearly always there is nothing to clear, and that takes the line from nobody.
  const auto is_set_and_cleared = [](std::atomic<bool>& word) {
    return word.load(std::memory_order_seq_cst) && word.exchange(false, std::memory_order_seq_cst);
  };
  // A sender that left it to this call to hear the peer does so itself now.
  if (side == Side::receiving && is_set_and_cleared(sender_is_deaf_)) wake(Side::sending);
  // What it has taken off the link, or heard, the link tells no event loop any more.
  if (side == Side::receiving && is_set_and_cleared(is_armed_)) wake(Side::armed);
  if (closing_.load(std::memory_order_seq_cst) && side != Side::closing) wake(Side::closing);
}

// A call of the receiving or the sending side that doesn't wait, in its place and with the lock of its half, for as long as
// this lives: the short way of a small message through a ring. False: it has to go the long way, for somebody has one of both,
// or there is something else to do or to say.
class Session::AtOnce {
 public:
  AtOnce(Session& session, Side side) noexcept : session_(session), side_(side) {
    if (session.is_foreign_process() || !session.is_connected() || session.traits_.shape != Shape::region || session.turns_)
      return;
    is_in_ = session.place(side).half().enter_and_lock();
    // seq_cst: see closing_. out_work_: as in move_out(), here under the lock or a hint.
    may_go_ = is_in_ && !session.closing_.load(std::memory_order_seq_cst) &&
              !session.has_end_.load(std::memory_order_seq_cst) && !session.out_work_.load(std::memory_order_acquire);
  }
  AtOnce(const AtOnce&) = delete;
  AtOnce& operator=(const AtOnce&) = delete;
  ~AtOnce() {
    if (!is_in_) return;
    session_.place(side_).half().unlock_and_leave();
    session_.after_leaving(side_);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return may_go_; }

 private:
  Session& session_;
  Side side_;
  bool is_in_{false};
  bool may_go_{false};
};

template <class T>
[[nodiscard]] bool is_would_block(const Result<T>& result) noexcept {
  return !result && result.error().code == Errc::would_block;
}

// The end of a channel is kept once, and told by each call as its own, and so is a try in vain; a close at this end stays one.
template <class T>
[[nodiscard]] Result<T> at_step(Step step, Result<T> result) noexcept {
  if (result || result.error().step == Step::close) return result;
  Error error = result.error();
  error.step = step;
  if (error.code == Errc::would_block) error.os_code = 0;  // the system's own word for it tells nobody anything
  return error;
}

// One try to put something. `put` is called under out_mutex_; `has_begun` says whether a byte of what it puts has gone.
template <class Put, class HasBegun>
auto Session::try_put(Step step, Put put, HasBegun has_begun) -> decltype(put()) {
  if (closing_.load(std::memory_order_seq_cst)) return closed_here();
  const bool is_time_to_look = count(sends_since_look_, 1U) % kSendsBetweenLooks == 0;
  if (is_time_to_look) look_for_words();
  {
    const std::lock_guard lock(out_mutex_);
    if (const auto end = outgoing_end()) return *end;
    if (finish_put_ || (loan_.is_out && step != Step::commit)) return Error{Errc::misuse, step, 0, 0, 0};
    if (is_time_to_look) (void)is_peer_gone();
    if (!severed_.load(std::memory_order_acquire)) {
      auto done = put();
      if (done || (done.error().code == Errc::would_block && !is_peer_gone())) return done;
      const bool is_gone = done.error().code == Errc::would_block || done.error().code == Errc::peer_died;
      // Any other failure is the system's: harmless as long as nothing of the message has gone.
      if (!is_gone) return has_begun() || done.error().code == Errc::protocol_error ? end_both(done.error()) : done.error();
    }
  }
  return settle();
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
    if (side == Side::receiving && result) ++run_;
  } else if (!rest(side, attempt, result) && !spin(side, attempt, deadline, result)) {
    if (auto ready = place(side).start_waiting(tether()); !ready) return ready.error();
    {
      const WaitingPlace::Stay stay{place(side)};
      result = sleep_between(side, step, deadline, attempt);
    }
    stop_waiting_for_room(side);
    // What this call leaves undone another one that waits has to take over.
    if (out_work_.load(std::memory_order_acquire)) wake_all();
  }
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

// A receiver that has caught up with a stream and looks on takes each cache line from the sender while that fills it, and
// sleeps between two messages. So after a run of messages that it didn't wait for it leaves the ring alone for a moment, and
// finds several. A lone message waits for nothing; the last ones of a run wait as long as some dozens of them have taken.
template <class Attempt>
bool Session::rest(Side side, Attempt& attempt, decltype(std::declval<Attempt&>()())& result) {
  constexpr std::uint32_t kRun = 16;
  constexpr std::chrono::nanoseconds kRest{2000};
  const bool sleeps_at_once = !may_spin_ || (conduct_.spin && conduct_.spin->count() == 0);
  if (side != Side::receiving || traits_.shape != Shape::region || sleeps_at_once) return false;
  if (std::exchange(run_, 0) < kRun) return false;
  const auto end = Deadline::Clock::now() + kRest;
  while (Deadline::Clock::now() < end) {
  }
  result = attempt();
  return !is_would_block(result);
}

// A peer that answers at once is met awake: a sleep and its wake-up cost more than a thousand looks.
template <class Attempt>
bool Session::spin(Side side, Attempt& attempt, Deadline deadline, decltype(std::declval<Attempt&>()())& result) {
  const auto time = time_to_spin();
  if (time == time.zero()) return false;
  const auto end = deadline.or_earlier(Deadline{time});
  do {
    look_for_a_while(side);
    result = attempt();
    if (!is_would_block(result)) {
      note_spin(false);
      return true;
    }
    if (place(side).is_interrupted()) return false;  // told by who sleeps
  } while (!end.has_passed());
  note_spin(true);
  return false;
}

}  // namespace sluice::inline v0::core
