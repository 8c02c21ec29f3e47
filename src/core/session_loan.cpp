// The loan: room for the next message, which its sender writes in place.
//
// In a ring its bytes are those of the record to come, whose header stays zero until commit() publishes it. Nothing else has to
// be put meanwhile but a goodbye or the answer to one: after either there is no commit() any more, so these make the place void
// and go behind it (RingWriter). Elsewhere, and where a message doesn't lie whole in the ring, its bytes are memory of the
// session's own, which goes from loan to loan; what the link doesn't take at commit() becomes the tail, and so does that
// memory.
#include <algorithm>

#include "core/session.hpp"
#include "core/session_waiting.hpp"

namespace sluice::inline v0::core {

// Ends the loan at the end of a scope, whatever has become of it, and gives the turn back.
class Session::EndOfLoan {
 public:
  explicit EndOfLoan(Session& session) noexcept : session_(session) {}
  EndOfLoan(const EndOfLoan&) = delete;
  EndOfLoan& operator=(const EndOfLoan&) = delete;
  ~EndOfLoan() {
    // Without the lock: only who has the loan changes it.
    if (session_.loan_.is_out) {
      const std::lock_guard lock(session_.out_mutex_);
      session_.end_loan_locked();
    }
    if (session_.turns_) session_.turns_->give_back();
  }

 private:
  Session& session_;
};

Result<std::span<std::byte>> Session::loan(std::size_t size, Deadline deadline) {
  Call call(*this, Side::sending, Step::loan, deadline);
  if (call.refusal()) return *call.refusal();
  if (const auto refusal = refuse(Step::loan, {}, size)) return *refusal;
  auto lent = wait_for(Side::sending, Step::loan, deadline, [&] {
    auto tried = try_put(Step::loan, [&] { return lend_locked(size); }, [] { return false; });
    if (is_would_block(tried)) look_for_words();
    return tried;
  });
  if (lent) call.keep_turn();
  return lent;
}

// would_block: the tail of the message before is not gone yet, or there is no room in the ring.
Result<std::span<std::byte>> Session::lend_locked(std::size_t size) {
  if (out_work_.load(std::memory_order_acquire)) {
    const auto moved = move_locked();
    if (!moved && (tail_.present() || moved.error().code != Errc::would_block)) return moved.error();
  }
  std::optional<std::span<std::byte>> place;
  if (auto* ring = records_->ring()) {
    const auto lent = ring->lend(size);
    if (!lent) return lent.error();
    place = *lent;
  }
  loan_.in_ring = place.has_value();
  if (!place) {
    if (loan_.memory.is_empty()) loan_.memory = tail_.take_memory();
    if (!loan_.memory.provide(size)) return Error{Errc::out_of_memory, Step::loan, 0, static_cast<std::int64_t>(size), 0};
    place = loan_.memory.first(size);
  }
  loan_.is_out = true;
  loan_.size = size;
  loan_.bytes = place->data();
  return *place;
}

Result<void> Session::attach(std::span<const Handle> handles) {
  if (is_foreign_process()) return Error{Errc::misuse, Step::use_after_fork, 0, 0, 0};
  if (const auto refusal = refuse(Step::attach, {.handles = handles}, 0)) return *refusal;
  return at_step(Step::attach, loan_.handles.duplicate(handles));
}

Result<void> Session::commit(std::size_t size) {
  if (is_foreign_process()) return Error{Errc::misuse, Step::use_after_fork, 0, 0, 0};
  const EndOfLoan end(*this);  // after the call has left its place
  const Call call(*this, Side::sending, Step::commit, Call::also_unconnected);
  if (call.refusal()) return *call.refusal();
  if (size > loan_.size) return Error{Errc::misuse, Step::commit, 0, 0, 0};
  Bytes part{loan_.bytes, size};
  OutgoingMessage message{{&part, 1}, loan_.handles.handles()};
  auto committed = try_put(Step::commit, [&] { return commit_locked(message, part); }, [&] { return message.started(); });
  if (is_would_block(committed)) {
    {
      const std::lock_guard lock(out_mutex_);
      tail_.take_over(std::move(loan_.memory), size, std::move(loan_.handles), message);
      out_work_.store(true, std::memory_order_release);
    }
    wake_all();
    committed = {};
  }
  if (!committed) return at_step(Step::commit, committed);
  count(messages_sent_, std::uint64_t{1});
  count(bytes_sent_, std::uint64_t{size});
  if (out_work_.load(std::memory_order_acquire)) wake(Side::armed);  // what can't be moved now an event loop moves
  return {};
}

// would_block: what is left of `message`, in memory of our own, becomes the tail.
Result<void> Session::commit_locked(OutgoingMessage& message, Bytes& part) {
  if (!loan_.in_ring) return put_locked(message);
  auto* ring = records_->ring();
  if (message.handles_to_go().empty()) {
    if (!ring->commit(message.size())) return closed_here();  // a goodbye has made it void
    loan_.is_out = loan_.in_ring = false;                     // it has nothing else
    wake_who_waits_for_room_locked();
    return {};
  }
  // With handles it goes as any other message does: out of the ring, and in again with what announces them.
  if (!loan_.memory.provide(part.size())) return Error{Errc::out_of_memory, Step::commit, 0, 0, 0};
  const auto copy = loan_.memory.first(part.size());
  std::ranges::copy(part, copy.begin());
  ring->take_back();
  loan_.in_ring = false;
  part = copy;  // where `message` looks
  return put_locked(message);
}

void Session::drop_loan() noexcept {
  if (is_foreign_process()) return;  // the locks are the parent's
  const EndOfLoan end(*this);
}

void Session::end_loan_locked() noexcept {
  if (loan_.in_ring && records_) records_->ring()->take_back();
  loan_.is_out = loan_.in_ring = false;
  loan_.handles.clear();
  loan_.kept.reset();
}

}  // namespace sluice::inline v0::core
