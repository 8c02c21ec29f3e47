#include "core/foreign_records.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sluice::inline v0::core {
namespace {

constexpr std::size_t kReadBuffer = std::size_t{64} << 10;
constexpr int kFillsPerTake = 64;  // then the caller looks at its deadline
constexpr std::int64_t kIsEmpty = -1;

[[nodiscard]] Error cannot_say(std::int64_t first, std::size_t size) noexcept {
  return {Errc::misuse, Step::send, 0, first, static_cast<std::int64_t>(size)};
}

// Where the byte stands, or the size of `bytes`.
[[nodiscard]] std::size_t find(Bytes bytes, std::byte byte) noexcept {
  if (bytes.empty()) return 0;  // memchr wants a pointer
  const void* const found = std::memchr(bytes.data(), std::to_integer<int>(byte), bytes.size());
  return found == nullptr ? bytes.size() : static_cast<std::size_t>(static_cast<const std::byte*>(found) - bytes.data());
}

}  // namespace

std::optional<Error> refusal_of(Framing framing, std::span<const Bytes> places) noexcept {
  std::size_t size = 0;
  for (const auto place : places) size += place.size();
  if (framing == Framing::raw && size == 0) return cannot_say(kIsEmpty, 0);
  const auto delimiter = row_of(framing).delimiter;
  if (!delimiter) return std::nullopt;
  std::size_t begin = 0;
  for (const auto place : places) {
    const std::size_t at = find(place, *delimiter);
    if (at != place.size()) return cannot_say(static_cast<std::int64_t>(begin + at), size);
    begin += place.size();
  }
  return std::nullopt;
}

// ---- outgoing ------------------------------------------------------------------------------------------------------------

Result<void> ForeignRecords::begin(const OutgoingMessage& message) {
  places_.clear();
  message.gather(message.size(), places_);
  if (const auto refusal = refusal_of(framing_.framing, places_)) return *refusal;
  head_ = prefix_of(framing_, message.size());
  head_left_ = framing_.prefix;
  trailer_left_ = framing_.delimiter ? 1 : 0;
  is_open_ = true;
  return {};
}

// What is still to be written.
void ForeignRecords::gather(const OutgoingMessage& message) {
  places_.clear();
  if (head_left_ != 0) places_.push_back(Bytes{head_}.last(head_left_));
  message.gather(message.rest(), places_);
  if (trailer_left_ != 0) places_.emplace_back(&*framing_.delimiter, 1);
}

Result<bool> ForeignRecords::put(OutgoingMessage& message, std::uint32_t) {
  if (!is_open_) {
    if (auto begun = begin(message); !begun) return begun.error();
  }
  while (head_left_ != 0 || message.rest() != 0 || trailer_left_ != 0) {
    gather(message);
    const auto written = link_->write(places_);
    if (!written) {
      if (!message.started()) is_open_ = false;  // another message may come next
      return written.error();
    }
    message.start();
    const std::size_t of_head = std::min(*written, head_left_);
    const std::size_t of_message = std::min(*written - of_head, message.rest());
    head_left_ -= of_head;
    message.advance(of_message);
    trailer_left_ -= *written - of_head - of_message;
  }
  is_open_ = false;
  return true;
}

Result<void> ForeignRecords::put_control(const Control& control, std::uint32_t) {
  if (!ends_direction(control.word) || is_finished_) return {};
  if (is_open_) return would_block();
  if (auto finished = link_->finish_writing(); !finished) return finished;
  is_finished_ = true;
  return {};
}

// ---- incoming ------------------------------------------------------------------------------------------------------------

void ForeignRecords::drop_buffered(std::size_t count) noexcept {
  buffer_begin_ += count;
  if (buffer_begin_ == buffer_.size()) {
    buffer_.clear();
    buffer_begin_ = 0;
  }
}

// Reads once, when nothing in the buffer is of use any more but the beginning of a prefix: what is known to belong to the
// message straight into it, what follows into the buffer.
Result<void> ForeignRecords::fill() {
  if (!buffer_.reserve(kReadBuffer)) return Errc::out_of_memory;
  if (buffer_begin_ != 0) {
    const std::size_t left = buffered();
    std::memmove(buffer_.data(), buffer_.data() + buffer_begin_, left);
    buffer_.resize_down(left);
    buffer_begin_ = 0;
  }
  std::array<std::span<std::byte>, 2> rooms;
  std::size_t count = 0;
  if (left_) {
    if (!reserve(message_.size() + std::min(*left_, kReadBuffer), message_.size() + *left_)) return Errc::out_of_memory;
    const auto room = message_.room();
    rooms[count++] = room.first(std::min(room.size(), *left_));
  }
  auto room = buffer_.room();
  if (framing_.framing == Framing::raw) room = room.first(std::min(room.size(), std::max<std::size_t>(max_message_, 1)));
  rooms[count++] = room;
  const auto read = link_->read(std::span{rooms}.first(count));
  if (!read) return read.error();
  if (*read == 0) {
    at_end_ = true;
    return {};
  }
  std::size_t of_message = 0;
  if (left_) {
    of_message = std::min(*read, rooms[0].size());
    message_.grow(of_message);
    *left_ -= of_message;
  }
  buffer_.grow(*read - of_message);
  return {};
}

// Room for `needed` bytes of the message, which will have `most` at most. It grows with what has arrived, by doubling, so that
// copies stay linear.
bool ForeignRecords::reserve(std::size_t needed, std::size_t most) noexcept {
  if (needed <= message_.capacity()) return true;
  return message_.reserve(std::max(needed, std::min(2 * message_.capacity(), most)));
}

// Moves the next `count` bytes of the buffer into the message.
Result<void> ForeignRecords::append(std::size_t count) {
  const std::size_t most = left_ ? message_.size() + *left_ : max_message_;
  if (!reserve(message_.size() + count, most) || !message_.append(buffered_bytes().first(count))) return Errc::out_of_memory;
  drop_buffered(count);
  return {};
}

Error ForeignRecords::too_large(std::size_t size) const noexcept {
  return {Errc::protocol_error, Step::receive, 0, static_cast<std::int64_t>(size), static_cast<std::int64_t>(max_message_)};
}

// True: message_ is whole.
Result<bool> ForeignRecords::next_from_buffer() {
  if (framing_.prefix != 0) return next_by_prefix();
  return framing_.delimiter ? next_by_delimiter() : next_raw();
}

Result<bool> ForeignRecords::next_by_prefix() {
  if (!left_) {
    if (buffered() < framing_.prefix) return false;
    const std::size_t size = size_in(framing_, buffered_bytes());
    if (size > max_message_) return too_large(size);
    drop_buffered(framing_.prefix);
    left_ = size;
  }
  const std::size_t there = std::min(buffered(), *left_);
  if (auto appended = append(there); !appended) return appended.error();
  *left_ -= there;
  if (*left_ != 0) return false;
  left_.reset();
  return true;
}

Result<bool> ForeignRecords::next_by_delimiter() {
  const std::size_t count = find(buffered_bytes(), *framing_.delimiter);
  const bool is_whole = count != buffered();
  if (count > max_message_ - message_.size()) return too_large(message_.size() + count);
  if (auto appended = append(count); !appended) return appended.error();
  if (is_whole) drop_buffered(1);
  return is_whole;
}

Result<bool> ForeignRecords::next_raw() {
  const std::size_t count = std::min(buffered(), kMaxRawMessage);
  if (count == 0) return false;
  if (count > max_message_) return too_large(count);
  if (auto appended = append(count); !appended) return appended.error();
  return true;
}

Incoming ForeignRecords::hand_over() {
  Incoming incoming;
  incoming.what = Incoming::What::message;
  incoming.message = make_message(std::exchange(message_, links::Buffer{}));
  return incoming;
}

// The stream has ended, and the buffer holds no whole message.
Result<Incoming> ForeignRecords::take_end() {
  if (end_told_) return would_block();
  const bool is_inside = left_ || message_.size() != 0 || buffered() != 0;
  if (link_->was_reset() || (is_inside && !framing_.delimiter)) return Incoming{};
  if (is_inside) return hand_over();  // a last line needs no end
  end_told_ = true;
  Incoming incoming;
  incoming.what = Incoming::What::control;
  incoming.control.word = Word::finish;
  return incoming;
}

Result<Incoming> ForeignRecords::take() {
  for (int fills = 0; fills < kFillsPerTake; ++fills) {
    const auto next = next_from_buffer();
    if (!next) return next.error();
    if (*next) return hand_over();
    if (at_end_) return take_end();
    if (auto filled = fill(); !filled) return filled.error();
  }
  Incoming incoming;
  incoming.what = Incoming::What::more;
  return incoming;
}

}  // namespace sluice::inline v0::core
