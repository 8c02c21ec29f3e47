// Several messages with one call: send_many and receive_many.
#include <algorithm>

#include "core/session.hpp"
#include "core/session_waiting.hpp"
#include "links/fault.hpp"

namespace sluice::inline v0::core {

// Messages on their way out, and how many of them have gone whole.
struct Session::Batch {
  std::span<OutgoingMessage> messages;
  std::size_t whole{0};

  [[nodiscard]] std::span<OutgoingMessage> left() const { return messages.subspan(whole); }
  // Whether a byte of the next one has gone.
  [[nodiscard]] bool has_begun() const { return !left().empty() && left().front().started(); }
};

Result<std::size_t> Session::send_many(std::span<const Outgoing> messages, Deadline deadline) {
  const Call call(*this, Side::sending, Step::send, deadline);
  if (call.refusal()) return *call.refusal();
  batch_.clear();
  for (const auto& outgoing : messages) {
    const OutgoingMessage message{outgoing.parts, outgoing.handles};
    if (const auto refusal = refuse(Step::send, outgoing, message.size())) {
      if (batch_.empty()) return *refusal;
      break;  // the next call tells of it
    }
    batch_.push_back(message);
  }
  if (batch_.empty()) return std::size_t{0};
  being_sent_.store(static_cast<std::uint32_t>(batch_.size()), std::memory_order_release);
  Batch batch{batch_};
  bool is_kept = false;
  const auto keep = [&] {
    is_kept = true;
    return keep_tail(batch.left().front());
  };
  auto sent = wait_for(Side::sending, Step::send, deadline, [&]() -> Result<void> {
    auto tried = try_put(Step::send, [&] { return put_batch_locked(batch); }, [&] { return batch.has_begun(); });
    if (batch.whole != 0) return {};
    if (is_would_block(tried)) look_for_words();
    // Closed half-way, as in send().
    if (!tried && tried.error().code == Errc::closed && batch.has_begun() && !is_kept) {
      if (auto kept = keep(); !kept) return kept;
    }
    return tried;
  });
  if (batch.has_begun() && !is_kept) {
    if (const auto end = outgoing_end()) {
      if (!sent) sent = at_step(Step::send, Result<void>{*end});
    } else if (auto kept = keep(); !kept && !sent) {
      sent = kept;
    }
  }
  const bool is_tail_accepted = is_kept && !outgoing_end();
  const std::size_t accepted = batch.whole + (is_tail_accepted ? 1 : 0);
  for (const auto& message : batch.messages.first(accepted)) count(bytes_sent_, std::uint64_t{message.size()});
  count(messages_sent_, std::uint64_t{accepted});
  being_sent_.store(1, std::memory_order_release);  // pairs with the acquire in note_peer_took()
  if (accepted == 0) return sent.error();
  return accepted;
}

// Puts what is left of a batch; between its parts control records pass. would_block: not all of it could be put.
Result<void> Session::put_batch_locked(Batch& batch) {
  while (!batch.left().empty()) {
    if (out_work_.load(std::memory_order_acquire)) {
      const auto moved = move_locked();
      if (!moved && (tail_.present() || moved.error().code != Errc::would_block)) return moved;
    }
    const auto put = records_->put_batch(batch.left(), taken_.load(std::memory_order_relaxed));  // relaxed: as in put_locked()
    wake_who_waits_for_room_locked();
    if (!put) return put.error();
    batch.whole += *put;
    fault::point("between-records");
  }
  return {};
}

Result<std::size_t> Session::receive_many(std::span<Message> messages, Deadline deadline) {
  const Call call(*this, Side::receiving, Step::receive, deadline);
  if (call.refusal()) return *call.refusal();
  if (messages.empty()) return Error{Errc::misuse, Step::receive, 0, 0, 0};
  for (auto& message : messages) message = Message{};
  return wait_for(Side::receiving, Step::receive, deadline, [&] { return try_receive_many(messages); });
}

Result<std::size_t> Session::try_receive_many(std::span<Message> messages) {
  if (closing_.load(std::memory_order_seq_cst)) return closed_here();
  Result<std::size_t> received = would_block();
  {
    const std::lock_guard lock(in_mutex_);
    auto message = next_message_locked();
    if (is_held_up_locked(message)) {
      received = Error{Errc::held, Step::receive, 0, 0, 0};
    } else if (!message) {
      received = message.error();
    } else {
      std::size_t count = 0;
      std::size_t bytes = 0;
      while (message) {
        MessageStorage::hand_over(*message);
        bytes += message->bytes().size();
        messages[count++] = *std::move(message);
        message = count < messages.size() ? next_message_locked() : Result<Message>{would_block()};
      }
      note_taken_locked(static_cast<std::uint32_t>(count), bytes);
      received = count;
    }
  }
  move_out_for(received.has_value());
  return received;
}

}  // namespace sluice::inline v0::core
