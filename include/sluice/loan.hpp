// Loan: a message that is written in place, in the channel's own memory where there is such memory.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <sluice/export.hpp>
#include <sluice/handle.hpp>
#include <sluice/result.hpp>

namespace sluice::inline v0 {

class Channel;

namespace core {
class Session;
}

// Room for one message, from Channel::loan(): write it in place, then commit. In mechanisms of the shape region, and where it
// fits, the bytes are the ring's own, and the receiver sees them without a copy; elsewhere they are memory of the channel's.
// A loan with handles is copied once even there: handles travel beside the ring, and first.
//
// One at a time: while a loan is out, send, send_many, loan and finish answer misuse. Destroying it without a commit sends
// nothing. It belongs to the sending side: commit(), attach() and its end are calls of the thread that sends. With
// Senders::many the thread that took it holds the turn until it is committed or gone, even where it was handed to another
// thread: calls of the sending side that this other thread makes meanwhile wait for that turn. It must not outlive its channel,
// which may be moved meanwhile, and may be closed: then commit() answers closed.
class [[nodiscard]] SLUICE_API Loan final {
 public:
  Loan(Loan&& other) noexcept : session_(std::exchange(other.session_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}
  Loan& operator=(Loan&& other) noexcept {
    if (this != &other) {
      drop();
      session_ = std::exchange(other.session_, nullptr);
      bytes_ = std::exchange(other.bytes_, {});
    }
    return *this;
  }
  ~Loan() { drop(); }

  // Where the message is written: as many bytes as were asked for, contiguous, 8-byte aligned. What lies there at first are
  // zeros or older bytes of this very channel. Empty after commit().
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

  // The handles that travel with it, as in send(): borrowed, and duplicated here, so that the caller keeps its own. A second
  // call replaces the first one's. Errors: not_supported, too_large, misuse as send() says; limit_reached, no descriptors left;
  // out_of_memory.
  Result<void> attach(std::span<const Handle> handles);

  // Sends the message: all of it, or its first `size` bytes. Never waits: its place is reserved, and what the system doesn't
  // take now is moved by the next calls, as the rest of an accepted message is. After it this object is empty, whatever it
  // returns. Errors: closed, peer_died, protocol_error, out_of_memory: the channel has ended, but for out_of_memory of a loan
  // with handles in a mechanism of the shape region: then nothing was sent, and it goes on; misuse: `size` is larger than what
  // was asked for (nothing is sent), or this object is empty; limit_reached, with handles only, as send() says: nothing was
  // sent.
  Result<void> commit() { return commit(bytes_.size()); }
  Result<void> commit(std::size_t size);

 private:
  friend class Channel;
  SLUICE_LOCAL Loan(core::Session* session, std::span<std::byte> bytes) noexcept : session_(session), bytes_(bytes) {}
  void drop() noexcept {
    if (session_ != nullptr) drop_now();
  }
  void drop_now() noexcept;

  core::Session* session_{nullptr};  // null: empty
  std::span<std::byte> bytes_;
};

}  // namespace sluice::inline v0
