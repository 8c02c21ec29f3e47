// How a session ends: orderly, by close, finish and goodbye; or by the peer's death or misbehaviour.
#include <algorithm>
#include <new>
#include <thread>

#include "core/session.hpp"
#include "core/session_waiting.hpp"
#include "links/fault.hpp"

namespace sluice::inline v0::core {

// ---- the end of a direction ----------------------------------------------------------------------------------------------

// The first end of a direction stays; every later call repeats it. Returns the one that stays.
Error Session::end_incoming(const Error& error) { return end(incoming_end_, error); }

Error Session::end_outgoing(const Error& error) {
  const Error stays = end(outgoing_end_, error);
  if (turns_) turns_->end();  // who waits for a turn behind a loan would not see it
  return stays;
}

Error Session::end(std::optional<Error>& direction, const Error& error) {
  bool is_event = false;
  Error stays = error;
  {
    const std::lock_guard lock(end_mutex_);
    // Both directions end, often one after the other and in the same way: that is one event. A close here is told by cut().
    const bool is_ours = error.code == Errc::closed && error.step == Step::close;
    is_event = !direction && !is_ours && traced_end_ != error.code;
    if (is_event) traced_end_ = error.code;
    if (!direction) direction = error;
    stays = *direction;
    has_end_.store(true, std::memory_order_seq_cst);
  }
  if (is_event) trace_.note("ended", [&] { return describe(error); });
  return stays;
}

// Returns the incoming direction's.
Error Session::end_both(const Error& error) {
  end_outgoing(error);
  const Error end = end_incoming(error);
  wake_all();
  return end;
}

std::optional<Error> Session::outgoing_end() const {
  if (!has_end_.load(std::memory_order_seq_cst)) return std::nullopt;
  const std::lock_guard lock(end_mutex_);
  return outgoing_end_;
}

std::optional<Error> Session::incoming_end() const {
  if (!has_end_.load(std::memory_order_seq_cst)) return std::nullopt;
  const std::lock_guard lock(end_mutex_);
  return incoming_end_;
}

// The outgoing direction has turned out to be dead: was it a goodbye? That lies behind what the peer sent before, so that is
// read ahead (a bounded part: what a living but hostile peer goes on sending is not waited for).
Error Session::settle() {
  constexpr std::size_t kSettleMessages = std::size_t{1} << 16;
  constexpr std::size_t kSettleBytes = std::size_t{64} << 20;
  read_ahead(Side::sending, kSettleMessages, std::min(kSettleBytes, std::max(kAheadBytes, max_incoming_)));
  return end_outgoing(death(Step::send));
}

// How a channel has ended whose link is dead. The end of a foreign peer's stream, which was its finish, was its goodbye, too.
Error Session::death(Step step) const {
  const auto end = incoming_end();
  const bool was_goodbye = is_foreign_ && end && end->code == Errc::closed;
  return {was_goodbye ? Errc::closed : Errc::peer_died, step, 0, 0, 0};
}

// ---- close ---------------------------------------------------------------------------------------------------------------

Result<void> Session::close(Deadline deadline) {
  const Call call(*this, Side::closing, Step::close, Call::also_unconnected);
  if (call.refusal()) return is_foreign_process() ? Result<void>{*call.refusal()} : Result<void>{};  // another close is in it
  if (closing_.exchange(true, std::memory_order_seq_cst)) return {};  // seq_cst: see WaitingPlace::enter()
  if (turns_) turns_->end();
  wake_all();
  wait_for_calls_to_leave();  // one of them may be in the middle of a message, and leaves its tail for us
  if (!is_connected()) {
    // Nothing was accepted, so there is nothing to finish. How connecting has failed, if it did, is how this ends.
    const auto end = outgoing_end();
    give_up_beginning();
    return end ? at_step(Step::close, Result<void>{*end}) : Result<void>{};
  }
  Result<void> closed;
  try {
    closed = wait_for(Side::closing, Step::close, deadline, [&] { return try_close(); });
  } catch (const std::bad_alloc&) {
    closed = Error{Errc::out_of_memory, Step::close, 0, 0, 0};  // the peer hears that we are gone all the same
  }
  cut();
  return closed;
}

// Calls that wait have been told to return; they need no time but their processor's.
void Session::wait_for_calls_to_leave() {
  const auto is_somebody_in = [this] {
    return std::ranges::any_of(kSides, [this](Side side) { return side != Side::closing && place(side).is_busy(); });
  };
  if (!is_somebody_in()) return;
  if (!place(Side::closing).start_waiting(tether())) {  // no descriptors left
    while (is_somebody_in()) std::this_thread::yield();
    return;
  }
  const WaitingPlace::Stay stay{place(Side::closing)};
  while (is_somebody_in()) (void)place(Side::closing).sleep({}, Deadline::never());
}

Result<void> Session::try_close() {
  const auto said = put_goodbye();
  const bool has_heard_all = discard_incoming();
  move_out();  // the answer to a goodbye
  // Nobody answers a foreign end of the stream: when the system has it, and all that was accepted before, that is all.
  if (is_foreign_) return said || said.error().code == Errc::would_block ? said : end_both(said.error());
  {
    const std::lock_guard lock(end_mutex_);
    if (goodbye_answered_) return {};
    // Of two that close at the same time, each has to hear the other's goodbye; one that has gone already needs none.
    const bool has_room_to_come = !said && said.error().code == Errc::would_block && !severed_.load(std::memory_order_acquire);
    if (peer_said_goodbye_) return has_room_to_come ? Result<void>{would_block()} : Result<void>{};
    if (!has_heard_all) return would_block();  // its goodbye may be among it
    if (outgoing_end_) return *outgoing_end_;
  }
  if (said || said.error().code == Errc::would_block) return would_block();
  return end_both(said.error());
}

// Finishes what was accepted, then says goodbye. A message that can't be finished is dropped whole, without a goodbye.
Result<void> Session::put_goodbye() {
  const std::lock_guard lock(out_mutex_);
  if (goodbye_put_) return {};
  // An end that was not orderly, half-way through a message perhaps, is not made to look like one.
  if (const auto end = outgoing_end(); end && end->code != Errc::closed) return *end;
  if (auto moved = move_locked(); !moved) return moved;
  if (auto put = put_control_locked(Word::goodbye, 0); !put) return put;
  goodbye_put_ = true;
  fault::point("after-goodbye");
  return {};
}

// False: there may be more on the link.
bool Session::discard_incoming() {
  constexpr int kMessagesPerTry = 1024;  // a peer that goes on sending doesn't keep us from our deadline
  const std::lock_guard lock(in_mutex_);
  drop_ahead_locked();
  records_->discard_handles();
  for (int i = 0; i < kMessagesPerTry; ++i) {
    if (!take_message_locked()) return is_link_emptied_;
  }
  wake(Side::closing);  // close() doesn't sleep over it
  return false;
}

// Lets go of link and tether. Nobody is in a call any more, and later ones see closing_ first.
void Session::cut() {
  const std::scoped_lock locks(out_mutex_, in_mutex_);
  look_at_ring_locked();
  trace_.note("closed", [] { return std::string("this end was closed"); });
  end_both({Errc::closed, Step::close, 0, 0, 0});
  tail_.drop();
  drop_ahead_locked();
  place(Side::armed).forget(tether_.get());
  if (loan_.in_ring) loan_.kept = records_->ring()->region();  // its bytes are the caller's until the loan is gone
  records_.reset();
  tether_.reset();
}

}  // namespace sluice::inline v0::core
