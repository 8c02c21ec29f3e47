#include "core/session.hpp"

#include <algorithm>
#include <chrono>
#include <new>

#include "core/beginning.hpp"
#include "core/session_waiting.hpp"
#include "links/system.hpp"

namespace sluice::inline v0::core {
namespace {

constexpr int kSpinsInVain = 4;   // one after the other, before spinning becomes rare
constexpr int kSeldomSpins = 64;  // … and then one of so many waits spins

}  // namespace

Session::Session(Established established)
    : generation_(links::process_generation()),
      conduct_(established.conduct),
      may_spin_(can_spin(conduct_)),
      turns_(Turns::needed_by(conduct_.senders)),
      is_foreign_(is_foreign(established.framing)),
      trace_(established.trace) {
  become(std::move(established));
}

Session::~Session() {
  if (is_foreign_process()) return;  // the channel is the parent's
  membership_.leave();
  if (closing_.exchange(true, std::memory_order_seq_cst)) return;
  if (!is_connected()) {
    give_up_beginning();
    return;
  }
  try {
    (void)try_close();  // what the channel holds still arrives; a message whose tail is left does not, and there is no goodbye
  } catch (const std::bad_alloc&) {
    // Then there is no goodbye either.
  }
  cut();
}

// ---- waiting -------------------------------------------------------------------------------------------------------------

bool Session::is_foreign_process() const noexcept { return links::process_generation() != generation_; }

void Session::wake_all() noexcept {
  for (const auto side : kSides) wake(side);
}

// What a call on this side waits for.
Wants Session::wants_of(Side side) {
  bool move_out = false;
  bool retry = false;
  {
    const std::lock_guard lock(out_mutex_);  // not while somebody is moving
    move_out = out_work_.load(std::memory_order_acquire) || (side == Side::closing && !goodbye_put_);
    retry = move_out && is_refused_;  // then there is room, and it is no use
  }
  if (side == Side::armed) return wants_when_armed(move_out, retry);
  if (side != Side::sending) return {.incoming = true, .room = move_out && !retry, .retry = retry};
  const bool is_flush = flush_target_.load(std::memory_order_relaxed) != 0;  // relaxed: set by this very thread
  // seq_cst: said before the look at the receiving place and at what is read ahead. A receiving call changes these and then
  // looks at this (Call): one of the two sees the other.
  sender_is_deaf_.store(true, std::memory_order_seq_cst);
  const bool hears = is_flush || hears_alone();
  const std::lock_guard lock(in_mutex_);
  const bool listens = hears && has_room_ahead_locked(kAheadMessages, kAheadBytes);
  if (listens) sender_is_deaf_.store(false, std::memory_order_relaxed);  // relaxed: at worst a wake-up in vain
  return {.incoming = listens, .room = (move_out || !is_flush) && !retry, .taken = is_flush, .retry = retry};
}

// Whether the peer has said goodbye and still waits for our answer, which may be stuck behind a link that is full.
bool Session::owes_answer() {
  {
    const std::lock_guard lock(end_mutex_);
    if (!peer_said_goodbye_) return false;
  }
  if (closing_.load(std::memory_order_seq_cst)) return false;  // that sees to it itself
  const std::lock_guard lock(out_mutex_);
  if (!out_work_.load(std::memory_order_acquire)) return false;
  const auto moved = move_locked();
  return is_would_block(moved) && !is_peer_gone();
}

// A deadline that passes while the answer to a goodbye is still owed: the end itself is known.
Error Session::late(Side side, const Error& error) const {
  if (side == Side::closing) return error;
  return (side == Side::sending ? outgoing_end() : ended()).value_or(error);
}

void Session::announce(Side side) {
  if (traits_.shape != Shape::region) return;
  const Wants wants = wants_of(side);
  const std::lock_guard lock(out_mutex_);
  sleeps_for_room_[static_cast<std::size_t>(side)] = false;
  records_->announce(wants);
}

// Whether this side may sleep until it is rung: not if a record that went out meanwhile has taken its announcement back.
bool Session::may_sleep(Side side) {
  if (traits_.shape != Shape::region) return true;
  const bool wants_room = wants_of(side).room;
  const std::lock_guard lock(out_mutex_);
  if (wants_room && !records_->ring()->waits_for_room()) return false;
  sleeps_for_room_[static_cast<std::size_t>(side)] = wants_room;
  return true;
}

// A record went out, and took the announcement back: others that wait for room have to announce it again.
void Session::wake_who_waits_for_room_locked() {
  if (std::ranges::find(sleeps_for_room_, true) == sleeps_for_room_.end()) return;
  const auto* ring = records_->ring();
  if (ring == nullptr || ring->waits_for_room()) return;
  for (const auto side : kSides)
    if (std::exchange(sleeps_for_room_[static_cast<std::size_t>(side)], false)) wake(side);
}

// A call leaves: a peer that holds messages is not told any longer that it keeps us waiting, unless somebody else does.
void Session::stop_waiting_for_room(Side side) {
  if (traits_.shape != Shape::region) return;
  const std::lock_guard lock(out_mutex_);
  if (!records_) return;
  sleeps_for_room_[static_cast<std::size_t>(side)] = false;
  const bool is_waited_for = std::ranges::find(sleeps_for_room_, true) != sleeps_for_room_.end();
  if (!is_waited_for && !out_work_.load(std::memory_order_acquire)) records_->ring()->stop_waiting_for_room();
}

Result<Woken> Session::sleep_once(Side side, Wants wants, Deadline deadline) {
  if (is_foreign_ && incoming_end()) wants.incoming = false;  // a stream that has ended is readable for ever
  const auto points = records_->waiting_points(wants);
  const bool is_ring = records_->ring() != nullptr;
  if (wants.retry) deadline = deadline.or_earlier(kRetryRefused);
  if (side != Side::armed) count(waits_[static_cast<std::size_t>(side)], std::uint64_t{1});
  auto woken = place(side).sleep(points, deadline);
  if (!woken) return woken;
  // A ring was meant for somebody who sleeps; that a kernel object is ready no event loop need have waited for.
  if (woken->rung && (is_ring || side != Side::armed)) count(wake_ups_[static_cast<std::size_t>(side)], std::uint64_t{1});
  if (woken->severed) severed_.store(true, std::memory_order_release);
  if (woken->rung && is_ring) {
    // One doorbell serves all sides: who silences it wakes the others that wait for it, too.
    // A bell whose other end is gone tells the same as the tether.
    if (!records_->ring()->silence()) severed_.store(true, std::memory_order_release);
    for (const auto other : kSides)
      if (other != side) wake(other);
  }
  return woken;
}

// Not where the peer can't run meanwhile. One that was asked for is meant even by a process that is bound to a processor: its
// peer is on another one then.
bool Session::can_spin(const Conduct& conduct) noexcept {
  return (conduct.spin ? links::all_processors() : links::usable_processors()) > 1;
}

// How long a call tries before it sleeps. As long as was asked for; or, where nothing was, a little over a ring alone (a look
// at a kernel object costs a system call), and seldom when it was in vain lately.
std::chrono::microseconds Session::time_to_spin() noexcept {
  constexpr std::chrono::microseconds kSpin{20};
  constexpr std::chrono::microseconds kNone{0};
  if (!may_spin_) return kNone;
  if (conduct_.spin) return *conduct_.spin;
  if (traits_.shape != Shape::region) return kNone;
  const int vain = vain_spins_.load(std::memory_order_relaxed);  // relaxed: a hint
  if (vain < kSpinsInVain || (vain - kSpinsInVain) % kSeldomSpins == 0) return kSpin;
  note_spin(true);
  return kNone;
}

// Between two attempts of a spin: looks at the ring alone, which takes next to nothing, until a record is there. What else may
// come the attempt sees. A kernel object can't be looked at but by the attempt itself.
void Session::look_for_a_while(Side side) noexcept {
  constexpr int kLooks = 64;
  const auto* ring = records_->ring();
  if (ring == nullptr || side != Side::receiving) return;
  for (int look = 0; look < kLooks && !ring->has_incoming(); ++look) {
  }
}

void Session::note_spin(bool was_in_vain) noexcept {
  const int vain = vain_spins_.load(std::memory_order_relaxed);  // relaxed: a hint
  const int more = vain < kSpinsInVain + kSeldomSpins ? vain + 1 : kSpinsInVain + 1;
  vain_spins_.store(was_in_vain ? more : 0, std::memory_order_relaxed);
}

// Whether the peer's death is known. Those who sleep are told by the tether; those who only try look at it themselves, but not
// more often than once in some milliseconds, for a look is a system call. Called under one of the locks, before cut().
bool Session::is_peer_gone() noexcept {
  // acquire: pairs with the release of whoever saw the tether first; what the peer did before its death is visible
  if (severed_.load(std::memory_order_acquire)) return true;
  if (!is_time_to_look_at_tether()) return false;
  last_tether_look_.store(links::coarse_milliseconds(), std::memory_order_relaxed);  // relaxed: a hint
  if (!tether_->is_severed()) return false;
  severed_.store(true, std::memory_order_release);
  return true;
}

bool Session::is_time_to_look_at_tether() const noexcept {
  // acquire: pairs with the release of whoever saw the tether first; relaxed: a hint
  return severed_.load(std::memory_order_acquire) ||
         last_tether_look_.load(std::memory_order_relaxed) != links::coarse_milliseconds();
}

void Session::interrupt() noexcept {
  if (is_foreign_process()) return;
  place(Side::receiving).interrupt();
  place(Side::sending).interrupt();
  if (!turns_) return;
  // Those who wait for their turn are told as well; and if nobody waits behind that, it was once.
  const bool was_somebody = turns_->interrupt();
  if (was_somebody && !place(Side::sending).is_waiting()) (void)place(Side::sending).take_interrupt();
}

// ---- what can be asked ---------------------------------------------------------------------------------------------------

std::optional<Error> Session::ended() const {
  if (is_foreign_process()) return Error{Errc::misuse, Step::use_after_fork, 0, 0, 0};  // the locks are the parent's
  const std::lock_guard lock(in_mutex_);
  return ahead_.empty() ? incoming_end() : std::nullopt;  // not while there is still something to receive
}

// Memory was refused in the middle of a call: what is on the channel may be half a record, so it is the end of it.
Error Session::fail(const Error& error) {
  end_outgoing(error);
  end_incoming(error);
  wake_all();
  return error;
}

Statistics Session::statistics() {
  if (!is_foreign_process()) {
    const std::lock_guard lock(out_mutex_);
    look_at_ring_locked();
  }
  // relaxed: each counter is right by itself
  Statistics now;
  now.messages_sent = messages_sent_.load(std::memory_order_relaxed);
  now.messages_received = messages_received_.load(std::memory_order_relaxed);
  now.bytes_sent = bytes_sent_.load(std::memory_order_relaxed);
  now.bytes_received = bytes_received_.load(std::memory_order_relaxed);
  now.known_taken = std::min(known_taken_.load(std::memory_order_relaxed), now.messages_sent);
  now.unknown = now.messages_sent - now.known_taken;
  const auto of = [](const auto& counters, Side side) {
    return counters[static_cast<std::size_t>(side)].load(std::memory_order_relaxed);
  };
  now.waits_sending = of(waits_, Side::sending) + of(waits_, Side::closing);
  now.waits_receiving = of(waits_, Side::receiving);
  now.wake_ups_sent = rings_sent_.load(std::memory_order_relaxed);
  for (const auto side : kSides) now.wake_ups_received += of(wake_ups_, side);
  return now;
}

// What a ring tells without being asked; nothing of other shapes, or after cut().
void Session::look_at_ring_locked() noexcept {
  auto* const ring = records_ ? records_->ring() : nullptr;
  if (ring == nullptr) return;
  (void)known_taken_locked();
  rings_sent_.store(ring->region()->rings_sent(), std::memory_order_relaxed);
}

void Session::advance() {
  const Call call(*this, Side::sending, Step::send, Deadline::now());
  if (call.refusal() || closing_.load(std::memory_order_seq_cst)) return;
  move_out();
  read_ahead(Side::sending, kAheadMessages, kAheadBytes);
  move_out();  // what was asked for meanwhile
  if (out_work_.load(std::memory_order_acquire)) wake_all();
}

}  // namespace sluice::inline v0::core
