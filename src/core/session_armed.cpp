// A session in an event loop: arm() does what a call does before it sleeps (announce, look again), and leaves the sleeping to
// whoever waits for waitable().
#include <new>

#include "core/session.hpp"
#include "core/session_waiting.hpp"

namespace sluice::inline v0::core {

Result<links::Waitable> Session::waitable() {
  const Call call(*this, Side::armed, Step::arm, Call::also_unconnected);
  if (call.refusal()) return *call.refusal();
  auto& armed = place(Side::armed);
  if (!armed.waitable()) {
    if (closing_.load(std::memory_order_seq_cst)) return closed_here();
    if (auto started = armed.start_waiting(tether()); !started) return started.error();
  }
  return armed.waitable();
}

Result<Session::Found> Session::arm(Want want) {
  const Call call(*this, Side::armed, Step::arm, Call::also_unconnected);
  if (call.refusal()) return *call.refusal();
  if (closing_.load(std::memory_order_seq_cst)) return Found{.ended = true};
  if (!is_connected()) {
    const auto connected = arm_beginning();
    if (!connected) return connected.error();
    // closing_ as below: close() says so before it wakes this place.
    if (!*connected) return Found{.ended = outgoing_end() || closing_.load(std::memory_order_seq_cst)};
  }
  // From here on, and until the channel is gone, whoever changes something wakes this place.
  if (auto started = place(Side::armed).start_waiting(tether()); !started) return started.error();
  armed_for_ = want;
  try {
    const auto found = arm_once();
    if (found && !found->anything()) return found;
    // The loop has what it waited for, and may be away for long: others take over what is left to move.
    is_armed_.store(false, std::memory_order_relaxed);  // relaxed: at worst a wake-up in vain
    stop_waiting_for_room(Side::armed);
    if (out_work_.load(std::memory_order_acquire)) {
      wake(Side::receiving);
      wake(Side::sending);
    }
    return found;
  } catch (const std::bad_alloc&) {
    return fail({Errc::out_of_memory, Step::arm, 0, 0, 0});  // half a record may have come
  }
}

void Session::disarm() {
  const Call call(*this, Side::armed, Step::arm, Call::also_unconnected);
  if (call.refusal() || closing_.load(std::memory_order_seq_cst) || !is_connected()) return;
  is_armed_.store(false, std::memory_order_relaxed);  // relaxed: at worst a wake-up in vain
  stop_waiting_for_room(Side::armed);
}

Result<Session::Found> Session::arm_once() {
  constexpr int kRounds = 16;  // a peer that goes on taking our announcement back doesn't keep us here
  // Where something is there already, a ring needs no system call, and its peer no announcement.
  if (traits_.shape == Shape::region) {
    if (const Found found = look(false); found.anything()) return found;
  }
  for (int round = 0; round < kRounds; ++round) {
    // The look at the waitable takes back what has made it readable: what comes after it makes it so again.
    const Wants wants = wants_of(Side::armed);
    const bool waits_for_handles = records_->waits_for_handles();
    const auto woken = sleep_once(Side::armed, wants, Deadline::now());
    if (!woken) return woken.error();
    announce(Side::armed);
    is_armed_.store(true, std::memory_order_seq_cst);
    if (const Found found = look(woken->writable); found.anything()) return found;
    // Looked at last: close() says so before it wakes this place, and that wake-up may have been taken back above.
    if (closing_.load(std::memory_order_seq_cst)) return Found{.ended = true};
    if (wants_of(Side::armed) != wants || !may_sleep(Side::armed)) continue;
    // A send on another thread has found the connection for handles full: that is one more thing to be woken by.
    if (records_->waits_for_handles() != waits_for_handles) continue;
    if (!wants.room) stop_waiting_for_room(Side::armed);  // it was wanted before, perhaps
    if (auto set = place(Side::armed).set_alarm(wants.retry ? std::optional{kRetryRefused} : std::nullopt); !set)
      return set.error();
    return Found{};
  }
  wake(Side::armed);  // the loop comes back at once
  return Found{};
}

// What there is for the event loop. A message is read ahead to see that it is one. A loop that wants none hears the peer
// nevertheless, as far as there is room to read ahead: its goodbye or its question may be what comes.
Session::Found Session::look(bool is_writable) {
  const bool wants_message = wants(armed_for_, Want::message);
  const bool wants_room = wants(armed_for_, Want::room);
  move_out();
  read_ahead(Side::armed, wants_message ? 1 : kAheadMessages, kAheadBytes);
  // A death behind messages that nobody wants: they are read ahead as far as that is told, for the tether would wake us for
  // ever.
  if (!wants_message && severed_.load(std::memory_order_acquire) && !outgoing_end()) (void)settle();
  move_out();  // what was asked for meanwhile
  Found found;
  {
    const std::lock_guard lock(in_mutex_);
    found.message = wants_message && !ahead_.empty();
    // The end of a foreign peer's stream may be all that it ever tells of its end.
    const bool wants_end = wants_message || (is_foreign_ && armed_for_ == Want::nothing);
    found.ended = wants_end && ahead_.empty() && incoming_end();
  }
  const std::lock_guard lock(out_mutex_);
  // Both directions have ended, or the one that matters; told not before the messages in front of it.
  if (outgoing_end()) {
    found.ended = found.ended || (!found.message && (wants_room || !wants_message));
  } else if (wants_room && !tail_.present()) {
    auto* ring = records_->ring();
    found.room = ring != nullptr ? ring->has_room() && (is_writable || !ring->waits_for_handles()) : is_writable;
  }
  return found;
}

// What has to wake the event loop.
Wants Session::wants_when_armed(bool move_out, bool retry) {
  const bool is_over = incoming_end() && outgoing_end();
  const std::lock_guard lock(in_mutex_);
  const bool listens = !is_over && has_room_ahead_locked(kAheadMessages, kAheadBytes);
  return {.incoming = listens, .room = (move_out || wants(armed_for_, Want::room)) && !retry, .retry = retry};
}

}  // namespace sluice::inline v0::core
