// A session that is not connected yet: its calls do the connecting first. Once it is connected nothing of this is met any more
// but one look at is_connected_.
#include <array>
#include <new>
#include <optional>
#include <utility>

#include "core/beginning.hpp"
#include "core/session.hpp"
#include "core/session_waiting.hpp"
#include "core/trace.hpp"

namespace sluice::inline v0::core {

Session::Session(std::unique_ptr<Beginning> beginning, const Traits& promised, const Limits& limits)
    : generation_(links::process_generation()),
      conduct_(limits.conduct),
      may_spin_(can_spin(conduct_)),
      turns_(Turns::needed_by(conduct_.senders)),
      is_foreign_(is_foreign(limits.framing)),
      trace_(limits.trace),
      beginning_(std::move(beginning)),
      promised_(promised) {}

void Session::become(Established established) {
  const std::scoped_lock locks(out_mutex_, in_mutex_);
  records_.emplace(
      std::move(established.link),
      Carriage{established.max_incoming, established.max_incoming_handles, conduct_.untrusted, established.framing},
      std::move(established.handles));
  peer_ = established.peer;
  traits_ = established.traits;
  max_incoming_ = established.max_incoming;
  max_outgoing_ = established.max_outgoing;
  max_outgoing_handles_ = established.max_outgoing_handles;
  tether_ = std::move(established.tether);
  is_connected_.store(true, std::memory_order_release);  // pairs with the acquire in is_connected()
  trace_.note("connected", [this] { return words_of(traits_, peer_); });
  if (!traits_.fallback.empty()) trace_.note("fell-back", [this] { return std::string(traits_.fallback); });
}

// One step without waiting: success once it is connected, would_block, or how connecting has failed.
Result<void> Session::try_begin() {
  const std::lock_guard lock(beginning_->mutex);
  if (is_connected()) return {};
  if (const auto end = outgoing_end()) return *end;
  Result<void> begun;
  try {
    auto established = beginning_->step();
    if (established) {
      become(*std::move(established));
    } else {
      begun = established.error();
    }
  } catch (const std::bad_alloc&) {
    beginning_->drop();
    begun = Error{Errc::out_of_memory, Step::connect, 0, 0, 0};
  }
  if (begun) wake_all();  // others wait for the same, and an event loop has to arm again
  return begun || is_would_block(begun) ? begun : end_both(begun.error());
}

// What a call does before it begins: it connects.
Result<void> Session::begin(Side side, Step step, Deadline deadline) {
  std::optional<WaitingPlace::Stay> stay;
  while (true) {
    // Had connecting failed before the close, then that is how the channel has ended, and stays so.
    if (closing_.load(std::memory_order_seq_cst)) return outgoing_end().value_or(closed_here());
    const auto begun = try_begin();
    if (begun || begun.error().code != Errc::would_block) return begun;
    if (deadline.is_now()) return Error{Errc::would_block, step, 0, 0, 0};
    if (!stay) {
      // From here on whoever changes something wakes this place; what has changed before, one more look sees.
      if (auto ready = place(side).start_waiting(nullptr); !ready) return ready;
      stay.emplace(place(side));
      continue;
    }
    if (place(side).take_interrupt()) return Error{Errc::interrupted, step, 0, 0, 0};
    if (deadline.has_passed()) return Error{Errc::timed_out, step, 0, 0, 0};
    const std::array points{WaitingPoint{beginning_->waitable(), {.readable = true}}};
    if (const auto woken = place(side).sleep(points, deadline); !woken) return woken.error();
  }
}

// True: it is connected. False: the place is armed for that, or connecting has failed.
Result<bool> Session::arm_beginning() {
  auto& armed = place(Side::armed);
  if (auto started = armed.start_waiting(nullptr); !started) return started.error();
  // It takes back what has made the waitable readable; what comes after it makes it so again.
  const std::array points{WaitingPoint{beginning_->waitable(), {.readable = true}}};
  if (const auto woken = armed.sleep(points, Deadline::now()); !woken) return woken.error();
  return try_begin().has_value();
}

// At the end of a channel that never was connected. Nobody is in a call any more.
void Session::give_up_beginning() {
  const std::lock_guard lock(beginning_->mutex);
  beginning_->drop();
  cut();
}

}  // namespace sluice::inline v0::core
