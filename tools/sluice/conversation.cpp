#include "conversation.hpp"

#include <utility>

namespace tool {

namespace {

using sluice::Deadline;
using sluice::Errc;
using sluice::Want;

constexpr std::size_t kPrintedAtOnce = std::size_t{1} << 20;  // what may wait to be printed before no more is received

}  // namespace

void Conversation::move() {
  if (is_over()) return;
  send();
  receive();
}

void Conversation::send() {
  if (pending_) {
    const auto sent = channel_.send(sluice::as_bytes(*pending_), Deadline::now());
    if (!sent && sent.error().code == Errc::would_block) return;
    if (!sent) return end_by(sent.error());
    pending_.reset();
  }
  if (!input_ended_ || finished_) return;
  const auto finished = channel_.finish(Deadline::now());
  if (finished) finished_ = true;
  if (!finished && finished.error().code != Errc::would_block) end_by(finished.error());
}

void Conversation::receive() {
  for (int count = 0; listens_ && !failure_ && count < kMessagesPerTurn && received_.size() < kPrintedAtOnce; ++count) {
    const auto message = channel_.receive(Deadline::now());
    if (message) {
      received_ += printed(form_, message->bytes(), channel_.peer());
    } else if (message.error().code == Errc::closed) {
      listens_ = false;
    } else if (message.error().code == Errc::would_block) {
      return;
    } else {
      failure_ = message.error();
    }
  }
}

// Sending has ended: well, if the peer has closed; what it said before is still to be heard, and how that ends counts as well.
void Conversation::end_by(const sluice::Error& error) {
  pending_.reset();
  input_ended_ = finished_ = true;
  if (error.code == Errc::closed) return;
  if (error.code == Errc::peer_died) {
    lost_ = error;
  } else {
    failure_ = error;
  }
}

// A peer that has closed both ways after it had ended its own is heard of only by asking.
void Conversation::look_at_end(bool is_both_ways) {
  is_peer_gone_ = is_peer_gone_ || is_both_ways;
  if (is_over() || listens_ || finished_ || pending_) return;
  const auto finished = channel_.finish(Deadline::now());
  if (!finished && finished.error().code != Errc::would_block) end_by(finished.error());
  if (finished) finished_ = true;
}

// The peer hears that nothing more comes, and what it still says is let pass by, so that nothing keeps it from its goodbye.
bool Conversation::has_parted() {
  for (int count = 0; count < kMessagesPerTurn && channel_.receive(Deadline::now()); ++count) {
  }
  const auto finished = channel_.finish(Deadline::now());
  // A foreign peer confirms nothing: the system has everything, and that is all.
  finished_ = finished_ || finished;
  const bool goes_on = finished ? !is_foreign() && !is_peer_gone_ : finished.error().code == Errc::would_block;
  if (goes_on && !parts_until_->has_passed()) return false;
  note_loss(channel_.flush(Deadline::now()));
  return true;
}

void Conversation::close() { note_loss(channel_.close(*parts_until_)); }

// A peer that died at the very end may not have got everything; one that is slow still gets it.
void Conversation::note_loss(const sluice::Result<void>& last) {
  if (!failure() && !last && last.error().code == Errc::peer_died) lost_ = last.error();
}

std::optional<Want> Conversation::want() const noexcept {
  if (parts_until_) {
    if (is_foreign()) return Want::room;
    return (finished_ ? Want::nothing : Want::room) | (channel_.ended() ? Want::nothing : Want::message);
  }
  if (is_over()) return std::nullopt;
  const bool sends = pending_ || (input_ended_ && !finished_);
  const bool receives = listens_ && received_.size() < kPrintedAtOnce;
  if (sends || receives) return (sends ? Want::room : Want::nothing) | (receives ? Want::message : Want::nothing);
  // With a foreign framing the end of what the peer says is all that it tells, and was told.
  if (!listens_ && is_foreign()) return std::nullopt;
  return Want::nothing;
}

}  // namespace tool
