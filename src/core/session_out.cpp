// The outgoing half of a session: send, the tail, control records, flush and finish.
#include <algorithm>

#include "core/session.hpp"
#include "core/session_waiting.hpp"
#include "links/fault.hpp"

namespace sluice::inline v0::core {

// Why a message can't be sent over this channel, whatever its state, if so.
std::optional<Error> Session::refuse(Step step, const Outgoing& outgoing, std::size_t size) const {
  const auto too_large = [](Step at, std::size_t is, std::size_t may_be) {
    return Error{Errc::too_large, at, 0, static_cast<std::int64_t>(is), static_cast<std::int64_t>(may_be)};
  };
  if (size > max_outgoing_) return too_large(step, size, max_outgoing_);
  const auto handles = outgoing.handles;
  if (handles.empty()) return std::nullopt;
  if (!traits_.handles) return Error{Errc::not_supported, Step::attach, 0, 0, 0};
  if (handles.size() > max_outgoing_handles_) return too_large(Step::attach, handles.size(), max_outgoing_handles_);
  const bool has_empty = std::ranges::any_of(handles, [](const Handle& handle) { return !handle; });
  return has_empty ? std::optional{Error{Errc::misuse, Step::attach, 0, 0, 0}} : std::nullopt;
}

Result<void> Session::send(const Outgoing& outgoing, Deadline deadline) {
  OutgoingMessage message{outgoing.parts, outgoing.handles};
  if (outgoing.handles.empty() && send_at_once(message)) return {};
  const Call call(*this, Side::sending, Step::send, deadline);
  if (call.refusal()) return *call.refusal();
  if (const auto refusal = refuse(Step::send, outgoing, message.size())) return *refusal;
  bool is_kept = false;
  const auto keep = [&] {
    is_kept = true;
    return keep_tail(message);
  };
  auto sent = wait_for(Side::sending, Step::send, deadline, [&] {
    auto tried = try_send(message);
    if (is_would_block(tried)) look_for_words();
    // Closed half-way: what has begun goes to its end all the same, for control records pass only between records.
    if (!tried && tried.error().code == Errc::closed && message.started() && !is_kept) {
      if (auto kept = keep(); !kept) return kept;
    }
    return tried;
  });
  // Once a byte of it went out the message is accepted, whatever ended the wait; unless the channel itself has ended.
  if (!sent && message.started()) {
    if (const auto end = outgoing_end()) {
      sent = at_step(Step::send, Result<void>{*end});
    } else {
      sent = is_kept ? Result<void>{} : keep();
    }
  }
  if (sent) {
    count(messages_sent_, std::uint64_t{1});
    count(bytes_sent_, std::uint64_t{message.size()});
  }
  return sent;
}

// A small message for which there is room. False: nothing of it has gone, and the long way goes on or tells why not.
bool Session::send_at_once(OutgoingMessage& message) {
  constexpr std::size_t kSmall = 4096;  // one record in every ring
  if (message.size() > kSmall) return false;
  const AtOnce now(*this, Side::sending);
  if (!now || message.size() > max_outgoing_ || finish_put_ || loan_.is_out) return false;
  // relaxed: see sends_since_look_
  const bool is_time_to_look = sends_since_look_.load(std::memory_order_relaxed) % kSendsBetweenLooks == 0;
  if (is_time_to_look || severed_.load(std::memory_order_acquire)) return false;
  const auto put = records_->put(message, 0);
  if (!put) return false;
  wake_who_waits_for_room_locked();
  count(sends_since_look_, 1U);
  count(messages_sent_, std::uint64_t{1});
  count(bytes_sent_, std::uint64_t{message.size()});
  return true;
}

Result<void> Session::try_send(OutgoingMessage& message) {
  return try_put(Step::send, [&] { return put_locked(message); }, [&] { return message.started(); });
}

// Puts what is left of `message`; between its records, control records pass.
Result<void> Session::put_locked(OutgoingMessage& message) {
  while (true) {
    if (out_work_.load(std::memory_order_acquire)) {
      const auto moved = move_locked();
      if (!moved && (tail_.present() || moved.error().code != Errc::would_block)) return moved;
    }
    const auto put = records_->put(message, taken_.load(std::memory_order_relaxed));  // relaxed: an old count is no error
    wake_who_waits_for_room_locked();
    if (!put) return put.error();
    if (*put) return {};
    fault::point("between-records");
  }
}

// Moves the tail and what control records are due. would_block: not everything could be moved, for want of room or because the
// system has refused it: the channel goes on, for an accepted message is not dropped, and is_refused_ says that only time
// helps.
Result<void> Session::move_locked() {
  auto moved = move_all_locked();
  const auto code = moved ? Errc::would_block : moved.error().code;
  is_refused_ = code != Errc::would_block && code != Errc::peer_died && code != Errc::protocol_error;
  return is_refused_ ? Result<void>{would_block()} : moved;
}

Result<void> Session::move_all_locked() {
  // seq_cst: before the looks at what is due; whoever makes something due sets this flag afterwards
  out_work_.store(false, std::memory_order_seq_cst);
  auto moved = move_control_locked();
  while (tail_.present() && (moved || moved.error().code == Errc::would_block)) {  // would_block in the middle of a record, too
    const auto put = records_->put(tail_.outgoing(), taken_.load(std::memory_order_relaxed));
    wake_who_waits_for_room_locked();
    if (!put) {
      moved = put.error();
      break;
    }
    if (*put) {
      tail_.drop();
      wake_all();
    }
    moved = move_control_locked();
  }
  if (!moved) out_work_.store(true, std::memory_order_seq_cst);
  return moved;
}

Result<void> Session::move_control_locked() {
  if (auto moved = records_->move_rest(); !moved) return moved;
  // Behind our goodbye the peer may be gone: it needs the answer to its own, and no other word.
  if (ask_ && !goodbye_put_) {
    if (auto put = put_control_locked(Word::ask, *ask_); !put) return put;
    ask_.reset();
  }
  for (const auto& [due, word] : {std::pair{&answer_due_, Word::taken}, std::pair{&goodbye_seen_due_, Word::goodbye_seen}}) {
    // seq_cst: taken back before what it tells is read, so that what becomes due meanwhile is told once more
    if (!due->exchange(false, std::memory_order_seq_cst)) continue;
    if (word == Word::taken && goodbye_put_) continue;
    if (auto put = put_control_locked(word, taken_.load(std::memory_order_acquire)); !put) {
      due->store(true, std::memory_order_seq_cst);
      return put;
    }
    if (word == Word::goodbye_seen) wake_all();  // other calls hold `closed` back for it
  }
  return records_->move_rest();
}

Result<void> Session::put_control_locked(Word word, std::uint32_t number) {
  auto put = records_->put_control({.word = word, .number = number}, taken_.load(std::memory_order_acquire));
  wake_who_waits_for_room_locked();
  if (put && !records_->move_rest()) out_work_.store(true, std::memory_order_seq_cst);
  return put;
}

// A caller that only sends has to hear what the peer says: that it has closed, or asks. Somebody who receives hears it anyway.
void Session::look_for_words() {
  if (!hears_alone()) return;
  read_ahead(Side::sending, kAheadMessages, kAheadBytes);
  move_out();
}

bool Session::hears_alone() const { return !places_[static_cast<std::size_t>(Side::receiving)].is_busy() || incoming_end(); }

// Moves what can be moved now.
void Session::move_out() {
  if (!out_work_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(out_mutex_);
  const auto moved = move_locked();
  if (moved || moved.error().code == Errc::would_block) return;
  // Nobody reads any more. What the peer said before is still to be heard, and was it a goodbye: receive() and settle() see.
  if (moved.error().code == Errc::peer_died && is_foreign_) {
    // It may send on all the same; but an accepted message is lost.
    tail_.drop();
    out_work_.store(false, std::memory_order_seq_cst);
    end_outgoing(moved.error());
    wake_all();
  } else if (moved.error().code == Errc::peer_died) {
    severed_.store(true, std::memory_order_release);  // pairs with the acquire in is_peer_gone()
  } else if (moved.error().code == Errc::protocol_error) {
    end_both(moved.error());
  }
}

// Copies what is left of an accepted message; whoever calls next moves it on.
Result<void> Session::keep_tail(const OutgoingMessage& message) {
  {
    const std::lock_guard lock(out_mutex_);
    if (!tail_.keep(message))
      return end_both({Errc::out_of_memory, Step::send, 0, static_cast<std::int64_t>(message.rest()), 0});
    out_work_.store(true, std::memory_order_release);
  }
  wake_all();
  return {};
}

// ---- flush and finish ----------------------------------------------------------------------------------------------------

Result<void> Session::flush(Deadline deadline) {
  const Call call(*this, Side::sending, Step::flush, deadline);
  if (call.refusal()) return *call.refusal();
  if (is_foreign_) return Error{Errc::not_supported, Step::flush, 0, 0, 0};
  const std::uint64_t target = messages_sent_.load(std::memory_order_relaxed);
  if (target == 0) {
    const auto end = outgoing_end();
    return end ? at_step(Step::flush, Result<void>{*end}) : Result<void>{};
  }
  flush_target_.store(target, std::memory_order_relaxed);  // relaxed: the locks order it, see its declaration
  auto flushed = wait_for(Side::sending, Step::flush, deadline, [&] { return try_flush(target); });
  flush_target_.store(0, std::memory_order_relaxed);
  return flushed;
}

Result<void> Session::try_flush(std::uint64_t target) {
  if (closing_.load(std::memory_order_seq_cst)) return closed_here();
  {
    const std::lock_guard lock(out_mutex_);
    if (known_taken_locked() >= target) return {};
    // Where the peer's count can't be read in shared memory, it is asked to tell; once.
    if (records_->ring() == nullptr && asked_peer_ != target) {
      asked_peer_ = target;
      ask_ = static_cast<std::uint32_t>(target);
      out_work_.store(true, std::memory_order_release);
    }
  }
  move_out();
  read_ahead(Side::sending, kAheadMessages, kAheadBytes);
  move_out();  // the peer may flush, too
  bool is_gone = false;
  {
    const std::lock_guard lock(out_mutex_);
    if (known_taken_locked() >= target) return {};
    if (const auto end = outgoing_end()) return *end;
    is_gone = is_peer_gone();
  }
  if (!is_gone) return would_block();
  const Error end = settle();  // its last words may be that it has taken everything
  const std::lock_guard lock(out_mutex_);
  return known_taken_locked() >= target ? Result<void>{} : end;
}

// How many of our messages the peer has taken. In a ring it says so in its line, which is believed only if it can be.
std::uint64_t Session::known_taken_locked() noexcept {
  if (auto* ring = records_->ring()) (void)note_peer_took(ring->taken_by_peer());
  return known_taken_.load(std::memory_order_acquire);
}

Result<void> Session::finish(Deadline deadline) {
  const Call call(*this, Side::sending, Step::finish, deadline);
  if (call.refusal()) return *call.refusal();
  return wait_for(Side::sending, Step::finish, deadline, [&] { return try_finish(); });
}

Result<void> Session::try_finish() {
  if (closing_.load(std::memory_order_seq_cst)) return closed_here();
  look_for_words();
  {
    const std::lock_guard lock(out_mutex_);
    if (loan_.is_out) return Error{Errc::misuse, Step::finish, 0, 0, 0};
    if (finish_put_) return {};
    if (const auto end = outgoing_end()) return *end;
    auto put = move_locked();
    if (put) put = put_control_locked(Word::finish, 0);
    if (put) {
      finish_put_ = true;
      return put;
    }
    if (put.error().code == Errc::would_block && !is_peer_gone()) return put;
  }
  return settle();
}

}  // namespace sluice::inline v0::core
