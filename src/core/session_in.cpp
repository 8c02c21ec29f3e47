// The incoming half of a session: receive, control records, and what the peer tells of itself.
#include <algorithm>

#include "core/session.hpp"
#include "core/session_waiting.hpp"
#include "links/fault.hpp"

namespace sluice::inline v0::core {

Result<Message> Session::receive(Deadline deadline) {
  const Call call(*this, Side::receiving, Step::receive, deadline);
  if (call.refusal()) return *call.refusal();
  return wait_for(Side::receiving, Step::receive, deadline, [&] { return try_receive(); });
}

Result<Received> Session::receive_into(std::span<std::byte> room, Deadline deadline) {
  if (auto received = receive_at_once(room, deadline)) return *std::move(received);
  const Call call(*this, Side::receiving, Step::receive, deadline);
  if (call.refusal()) return *call.refusal();
  return wait_for(Side::receiving, Step::receive, deadline, [&] { return try_receive_into(room); });
}

// A small message that is there, or that there is none for a call that only tries. Nothing: the long way tells.
std::optional<Result<Received>> Session::receive_at_once(std::span<std::byte> room, Deadline deadline) {
  const AtOnce now(*this, Side::receiving);
  if (!now) return std::nullopt;
  if (const auto size = take_plain_locked(room)) {
    ++run_;
    return Received{*size};
  }
  if (deadline.is_now() && is_quiet()) return Error{Errc::would_block, Step::receive, 0, 0, 0};
  return std::nullopt;
}

Result<Message> Session::try_receive() {
  if (closing_.load(std::memory_order_seq_cst)) return closed_here();
  if (is_quiet()) return would_block();
  Result<Message> message = would_block();
  {
    const std::lock_guard lock(in_mutex_);
    message = next_message_locked();
    if (message) {
      note_taken_locked(1, message->bytes().size());
      MessageStorage::hand_over(*message);
    }
    if (is_held_up_locked(message)) message = Error{Errc::held, Step::receive, 0, 0, 0};
  }
  move_out_for(message.has_value());
  return message;
}

Result<Received> Session::try_receive_into(std::span<std::byte> room) {
  if (closing_.load(std::memory_order_seq_cst)) return closed_here();
  if (is_quiet()) return would_block();
  auto received = [&] {
    const std::lock_guard lock(in_mutex_);
    return take_into_locked(room);
  }();
  move_out_for(received.has_value());
  return received;
}

Result<Received> Session::take_into_locked(std::span<std::byte> room) {
  if (const auto size = take_plain_locked(room)) return Received{*size};
  auto message = next_message_locked(room);
  if (is_held_up_locked(message)) return Error{Errc::held, Step::receive, 0, 0, 0};
  if (!message) return message.error();
  const std::size_t size = message->bytes().size();
  if (size > room.size()) {
    keep_ahead_locked(*std::move(message), true);
    return Error{Errc::too_large, Step::receive, 0, static_cast<std::int64_t>(size), static_cast<std::int64_t>(room.size())};
  }
  const bool is_there = message->bytes().data() == room.data();
  if (!is_there) std::ranges::copy(message->bytes(), room.begin());
  note_taken_locked(1, size);
  return Received{size, MessageStorage::hand_over_handles(*message)};
}

// Moves what has become due. A caller that goes away with its message leaves what can't be moved now to those who wait.
void Session::move_out_for(bool caller_leaves) {
  move_out();
  if (caller_leaves && out_work_.load(std::memory_order_acquire)) wake_all();
}

// Nothing is there, and nothing will come: what the caller still holds takes the room that the sender waits for.
bool Session::is_held_up_locked(const Result<Message>& message) noexcept {
  if (message || message.error().code != Errc::would_block) return false;
  auto* ring = records_->ring();
  return ring != nullptr && ring->is_holding_up();
}

// Whether there is nothing at all to receive from a ring and nothing else to be done: what most tries find of a caller that
// spins, so it takes no lock. A hint, as what others do at this moment may be missed; what a call before has seen, or somebody
// has told of, is not.
bool Session::is_quiet() noexcept {
  if (traits_.shape != Shape::region) return false;
  const auto& ring = *records_->ring();
  // seq_cst, acquire: as where they are looked at under the locks
  if (ring.has_incoming() || has_end_.load(std::memory_order_seq_cst) || out_work_.load(std::memory_order_acquire))
    return false;
  return !has_ahead_.load(std::memory_order_seq_cst) && !ring.is_waited_for() && !is_time_to_look_at_tether();
}

// The short way of a message in a ring, see RingReader::take_plain(). Where something else is there or due, the others tell.
std::optional<std::size_t> Session::take_plain_locked(std::span<std::byte> room) {
  auto* const ring = records_->ring();
  if (ring == nullptr || !ahead_.empty() || incoming_end() || out_work_.load(std::memory_order_acquire)) return std::nullopt;
  const auto size = ring->take_plain(room);
  if (!size) return std::nullopt;
  fault::point("after-take");
  note_taken_locked(1, *size);
  return size;
}

// `room`: where the message may be put at once, see AnyRecords::take().
Result<Message> Session::next_message_locked(std::span<std::byte> room) {
  if (!ahead_.empty()) {
    Message message = std::move(ahead_.front());
    ahead_.pop_front();
    has_ahead_.store(!ahead_.empty(), std::memory_order_seq_cst);
    ahead_bytes_ -= message.bytes().size();
    ahead_handles_ -= MessageStorage::count_handles(message);
    return message;
  }
  // After a finish there is no message to come, but control records are.
  if (const auto end = incoming_end(); end && outgoing_end()) return *end;
  return take_message_locked(room);
}

// The next message off the link. Control records on the way are dealt with, and so are those behind a finish; when nothing is
// left: the end of this direction, or would_block.
Result<Message> Session::take_message_locked(std::span<std::byte> room) {
  constexpr int kRecordsPerTry = 256;  // a peer that sends nothing but control records doesn't keep us from our deadline
  bool is_last_look = false;
  is_link_emptied_ = true;
  for (int i = 0; i < kRecordsPerTry; ++i) {
    auto incoming = records_->take(room);
    if (!incoming) {
      if (incoming.error().code != Errc::would_block) return end_both(incoming.error());
      // What a peer wrote before its death is visible once its death is: so one more look after that, and not before.
      if (is_last_look) return end_both(death(Step::receive));
      if (!is_peer_gone()) return incoming_end().value_or(incoming.error());
      is_last_look = true;
      continue;
    }
    if (incoming->what == Incoming::What::more) break;
    if (incoming->what == Incoming::What::end) return end_both(death(Step::receive));
    if (records_->ring() == nullptr) {
      if (auto noted = note_peer_took(incoming->back); !noted) return end_both(noted.error());
    }
    if (incoming->what == Incoming::What::message) {
      if (incoming_end()) return end_both(protocol_error());  // after its finish or goodbye
      fault::point("after-take");
      return std::move(incoming->message);
    }
    if (auto done = take_control_locked(incoming->control); !done) return end_both(done.error());
  }
  is_link_emptied_ = false;
  wake_all();  // there is more: nobody sleeps over it
  return would_block();
}

Result<void> Session::take_control_locked(const Control& control) {
  switch (control.word) {
    case Word::ask:
      if (records_->ring() != nullptr) return {};  // the consumer's line says it
      peer_asks_ = control.number;
      answer_if_asked_locked();
      return {};
    case Word::taken:
      return {};  // the header has said it
    case Word::finish:
      end_incoming({Errc::closed, Step::receive, 0, 0, 0});
      wake(Side::receiving);
      wake(Side::armed);
      return {};
    case Word::goodbye: {
      {
        const std::lock_guard lock(end_mutex_);
        peer_said_goodbye_ = true;
      }
      make_due(goodbye_seen_due_);
      end_both({Errc::closed, Step::receive, 0, 0, 0});
      return {};
    }
    case Word::goodbye_seen: {
      {
        const std::lock_guard lock(end_mutex_);
        goodbye_answered_ = true;
      }
      wake(Side::closing);
      return {};
    }
    default:
      return protocol_error();  // of the handshake, or of a version that we didn't agree on
  }
}

// Something is to be moved out that only the incoming half knows of.
void Session::make_due(std::atomic<bool>& word) noexcept {
  word.store(true, std::memory_order_seq_cst);
  out_work_.store(true, std::memory_order_seq_cst);  // after it, see move_locked()
}

void Session::keep_ahead_locked(Message message, bool in_front) {
  ahead_bytes_ += message.bytes().size();
  ahead_handles_ += MessageStorage::count_handles(message);
  if (in_front) {
    ahead_.push_front(std::move(message));
  } else {
    ahead_.push_back(std::move(message));
  }
  has_ahead_.store(true, std::memory_order_seq_cst);
}

bool Session::has_room_ahead_locked(std::size_t messages, std::size_t bytes) const noexcept {
  return ahead_.size() < messages && ahead_bytes_ < bytes && ahead_handles_ < kAheadHandles;
}

// Nobody will receive them: their handles are closed.
void Session::drop_ahead_locked() noexcept {
  ahead_.clear();
  ahead_bytes_ = ahead_handles_ = 0;
  has_ahead_.store(false, std::memory_order_seq_cst);
}

// Messages have been handed to the caller.
void Session::note_taken_locked(std::uint32_t messages, std::size_t bytes) noexcept {
  const std::uint32_t taken = taken_.load(std::memory_order_relaxed) + messages;  // relaxed: written here, under the lock
  taken_.store(taken, std::memory_order_release);  // release: pairs with the acquire in move_control_locked()
  count(messages_received_, std::uint64_t{messages});
  count(bytes_received_, std::uint64_t{bytes});
  if (auto* ring = records_->ring()) ring->note_taken(messages);
  answer_if_asked_locked();
}

// Modulo 2^32: as many have been taken as the peer has asked for.
void Session::answer_if_asked_locked() noexcept {
  if (!peer_asks_ || static_cast<std::int32_t>(taken_.load(std::memory_order_relaxed) - *peer_asks_) < 0) return;
  peer_asks_.reset();
  make_due(answer_due_);
}

// Takes messages off the link before anybody asks for them, so that the control records behind them are seen.
void Session::read_ahead(Side caller, std::size_t messages, std::size_t bytes) {
  bool found = false;
  {
    const std::lock_guard lock(in_mutex_);
    while (has_room_ahead_locked(messages, bytes)) {
      auto message = take_message_locked();
      if (!message) break;
      keep_ahead_locked(*std::move(message), false);
      found = true;
    }
  }
  if (!found) return;
  wake(Side::receiving);
  if (caller != Side::armed) wake(Side::armed);
}

// The peer says how many of our messages it has taken, modulo 2^32. It can't have taken more than we sent (one that is on its
// way is not counted yet), nor fewer than it said before.
Result<void> Session::note_peer_took(std::uint32_t count) noexcept {
  // The calls of this function follow each other under one lock, see known_taken_.
  const std::uint64_t known = known_taken_.load(std::memory_order_acquire);
  const std::uint32_t more = count - static_cast<std::uint32_t>(known);
  if (more == 0) return {};
  // acquire: before the look at messages_sent_, see being_sent_
  const std::uint32_t on_their_way = being_sent_.load(std::memory_order_acquire);
  // relaxed: the peer can't have taken a message before its record went out, and what was counted before that is visible with
  // its answer
  if (known + more > messages_sent_.load(std::memory_order_relaxed) + on_their_way) return protocol_error();
  known_taken_.store(known + more, std::memory_order_release);
  if (flush_target_.load(std::memory_order_relaxed) != 0) wake(Side::sending);  // relaxed: see flush_target_
  return {};
}

}  // namespace sluice::inline v0::core
