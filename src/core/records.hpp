// What the three ways of carrying records (in a stream, in packets, in a ring) have in common: a message on its way out,
// what comes in, and the assembly of a message from its pieces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <sluice/handle.hpp>
#include <sluice/message.hpp>
#include <sluice/result.hpp>

#include "core/loan_memory.hpp"
#include "core/message_storage.hpp"
#include "core/record.hpp"
#include "links/buffer.hpp"
#include "links/descriptor.hpp"

namespace sluice::inline v0::core {

using Bytes = std::span<const std::byte>;

// A message on its way out: borrowed parts and handles, and how far it has gone.
class OutgoingMessage {
 public:
  explicit OutgoingMessage(std::span<const Bytes> parts, std::span<const Handle> handles = {}) noexcept
      : parts_(parts), handles_(handles) {
    for (const auto part : parts) size_ += part.size();
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t rest() const noexcept { return size_ - gone_; }
  // True once the first byte of it, header included, is on the channel: from then on it is accepted.
  [[nodiscard]] bool started() const noexcept { return started_; }
  void start() noexcept { started_ = true; }
  // Those that go with its next byte: all of them with the first one, so a message that has started has none left.
  [[nodiscard]] std::span<const Handle> handles_to_go() const noexcept {
    return started_ ? std::span<const Handle>{} : handles_;
  }

  // Appends the next `count` bytes, as they lie, to `places`, leaving out the first `skip`.
  void gather(std::size_t count, std::vector<Bytes>& places, std::size_t skip = 0) const {
    std::size_t from = gone_ + skip;
    for (const auto part : parts_) {
      if (count == 0) break;
      if (from >= part.size()) {
        from -= part.size();
        continue;
      }
      const auto taken = part.subspan(from, std::min(count, part.size() - from));
      places.push_back(taken);
      count -= taken.size();
      from = 0;
    }
  }
  // Copies the next `count` bytes.
  void copy(std::byte* to, std::size_t count) const noexcept {
    std::size_t from = gone_;
    for (const auto part : parts_) {
      if (from >= part.size()) {
        from -= part.size();
        continue;
      }
      const std::size_t taken = std::min(count, part.size() - from);
      std::memcpy(to, part.data() + from, taken);
      to += taken;
      count -= taken;
      if (count == 0) return;
      from = 0;
    }
  }
  // Counts the next `count` bytes as gone.
  void advance(std::size_t count) noexcept { gone_ += count; }

 private:
  std::span<const Bytes> parts_;
  std::span<const Handle> handles_;
  std::size_t size_{0};
  std::size_t gone_{0};
  bool started_{false};
};

// The rest of an accepted message whose sender could not wait, finished by whoever calls next: a private copy, without handles,
// for they went with the byte that made the message accepted; or the very memory of a loan, of which nothing may have gone yet.
class Tail {
 public:
  // Copies what is left of `message`; false if memory was refused.
  [[nodiscard]] bool keep(const OutgoingMessage& message) {
    bytes_ = links::Buffer{};
    std::vector<Bytes> places;
    message.gather(message.rest(), places);
    if (!bytes_.reserve(message.rest())) return false;
    for (const auto place : places)
      if (!bytes_.append(place)) return false;
    part_ = bytes_.bytes();
    outgoing_ = OutgoingMessage{{&part_, 1}};
    outgoing_.start();
    present_ = true;
    return true;
  }
  // Takes over what is left of a loan of `size` bytes in that memory, of which `message` has gone so far.
  void take_over(LoanMemory memory, std::size_t size, LoanHandles handles, const OutgoingMessage& message) noexcept {
    lent_ = std::move(memory);
    handles_ = std::move(handles);
    part_ = lent_.first(size);
    outgoing_ = OutgoingMessage{{&part_, 1}, handles_.handles()};
    outgoing_.advance(size - message.rest());
    if (message.started()) outgoing_.start();
    present_ = true;
  }
  [[nodiscard]] bool present() const noexcept { return present_; }
  [[nodiscard]] OutgoingMessage& outgoing() noexcept { return outgoing_; }
  void drop() noexcept {
    present_ = false;
    bytes_ = links::Buffer{};
    handles_.clear();
  }
  // The memory of the last loan that was taken over, once its bytes have gone.
  [[nodiscard]] LoanMemory take_memory() noexcept { return std::move(lent_); }

 private:
  links::Buffer bytes_;
  LoanMemory lent_;
  LoanHandles handles_;
  Bytes part_;
  OutgoingMessage outgoing_{{}};
  bool present_{false};
};

// What comes in: a whole message, a control word, or the end of the link. `more`: none of these yet, but the link has not been
// emptied; the caller has its deadline to look at.
struct Incoming {
  enum class What : std::uint8_t { message, control, end, more };
  What what{What::end};
  std::uint32_t back{0};  // of the record's header
  Message message;
  Control control;
};

// The next record's kind, when `rest` bytes of a message are left and a record can carry `room` of them.
[[nodiscard]] constexpr Kind kind_of_next(bool first, std::size_t rest, std::size_t room) noexcept {
  if (rest > room) return Kind::piece;
  return first ? Kind::data : Kind::last_piece;
}

// Puts a message together from its pieces and the handles that came with the first of them. Its memory grows with the bytes
// that arrived, never with a length that was announced, and never beyond the largest message.
class Assembly {
 public:
  explicit Assembly(std::size_t max_message) noexcept : max_message_(max_message) {}

  // A record of this kind and length begins. protocol_error: out of turn, or an empty piece; too_large is one as well, for the
  // peer knew our limit.
  [[nodiscard]] Result<void> begin(Kind kind, std::size_t length) noexcept {
    if (kind == Kind::data ? open_ : length == 0) return broken();
    if (kind == Kind::last_piece && !open_) return broken();
    if (length > max_message_ - bytes_.size())
      return Error{Errc::protocol_error, Step::receive, 0, as_number(length), as_number(max_message_)};
    open_ = true;
    last_ = kind != Kind::piece;
    return {};
  }
  // Whether a message of `length` bytes may come that needs no assembling.
  [[nodiscard]] bool admits_whole(std::size_t length) const noexcept { return !open_ && length <= max_message_; }
  // Room for at least `count` more bytes (growing by doubling, so that copies stay linear).
  [[nodiscard]] bool reserve(std::size_t count) noexcept {
    const std::size_t needed = bytes_.size() + count;
    if (needed <= bytes_.capacity()) return true;
    return bytes_.reserve(last_ ? needed : std::max(needed, std::min(2 * bytes_.capacity(), max_message_)));
  }
  [[nodiscard]] links::Buffer& bytes() noexcept { return bytes_; }
  // After begin() of the record that they came with.
  void attach(std::vector<links::Descriptor> handles) noexcept { handles_ = std::move(handles); }
  [[nodiscard]] bool is_empty() const noexcept { return bytes_.size() == 0; }
  // True between the pieces of a message.
  [[nodiscard]] bool is_open() const noexcept { return open_; }
  // The record that began last completes its message.
  [[nodiscard]] bool is_last() const noexcept { return last_; }
  [[nodiscard]] Message finish() {
    open_ = false;
    return make_message(std::exchange(bytes_, links::Buffer{}), std::exchange(handles_, {}));
  }

 private:
  [[nodiscard]] static Error broken() noexcept { return Error{Errc::protocol_error, Step::receive, 0, 0, 0}; }
  [[nodiscard]] static std::int64_t as_number(std::size_t size) noexcept { return static_cast<std::int64_t>(size); }

  links::Buffer bytes_;
  std::vector<links::Descriptor> handles_;
  std::size_t max_message_;
  bool open_{false};
  bool last_{false};
};

[[nodiscard]] inline Error protocol_error() noexcept { return Error{Errc::protocol_error, Step::receive, 0, 0, 0}; }
[[nodiscard]] inline Error would_block() noexcept { return Error{Errc::would_block, Step::none, 0, 0, 0}; }

}  // namespace sluice::inline v0::core
