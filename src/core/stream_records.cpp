#include "core/stream_records.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sluice::inline v0::core {
namespace {

// What one read may bring beyond the payload that is expected: the largest record.
constexpr std::size_t kReadBuffer = kHeaderSize + kMaxStreamPayload;
constexpr int kFillsPerTake = 64;  // of at most 128 KiB each: some milliseconds
// An honest peer's handles wait for their record in two reads at most: one that ended within the header that they came with,
// and the next one, which brought the rest of that record and the beginning of another.
constexpr std::size_t kMaxArrivals = 2;

}  // namespace

// ---- outgoing ------------------------------------------------------------------------------------------------------------

void StreamRecords::begin_record(const OutgoingMessage& message, std::uint32_t back) {
  const std::size_t handles = message.handles_to_go().size();
  const std::size_t count_size = handles == 0 ? 0 : kHandleCountSize;
  record_left_ = std::min(message.rest(), kMaxStreamPayload - count_size);
  header_left_ = kHeaderSize + count_size;
  RecordHeader header;
  header.kind = kind_of_next(!message.started(), message.rest(), record_left_);
  header.length = static_cast<std::uint32_t>(count_size + record_left_);
  header.handles = handles != 0;
  header.back = back;
  std::byte* const at = header_.data() + header_.size() - header_left_;
  store_little(at, pack(header));
  if (handles != 0) store_little(at + kHeaderSize, std::uint64_t{handles});
}

Result<bool> StreamRecords::put(OutgoingMessage& message, std::uint32_t back) {
  if (auto moved = move_rest(); !moved) return moved.error();
  if (header_left_ == 0 && record_left_ == 0) begin_record(message, back);
  while (header_left_ != 0 || record_left_ != 0) {
    places_.clear();
    if (header_left_ != 0) places_.push_back(Bytes{header_}.last(header_left_));
    message.gather(record_left_, places_);
    handles_.clear();
    for (const auto& handle : message.handles_to_go()) handles_.push_back(handle.native());
    const auto written = link_->write(places_, handles_);
    if (!written) {
      // Nothing of this message has gone: its header must not stay begun, for another message may come next.
      if (!message.started()) header_left_ = record_left_ = 0;
      return written.error();
    }
    message.start();
    const std::size_t of_header = std::min(*written, header_left_);
    header_left_ -= of_header;
    record_left_ -= *written - of_header;
    message.advance(*written - of_header);
  }
  return message.rest() == 0;
}

// Lists header and payload of those that go with one write: whole messages of one record each. How many.
std::size_t StreamRecords::gather_batch(std::span<const OutgoingMessage> messages, std::uint32_t back) {
  constexpr std::size_t kMostMessages = 32;                // a header and a part each: as many as links pass on in one call
  constexpr std::size_t kEnough = std::size_t{256} << 10;  // bytes: few links take more at once
  places_.clear();
  heads_.resize(std::min(messages.size(), kMostMessages));  // now: places_ points into it
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (const auto& message : messages.first(heads_.size())) {
    if (message.size() > kMaxStreamPayload || !message.handles_to_go().empty() || bytes >= kEnough) break;
    RecordHeader header;
    header.kind = Kind::data;
    header.length = static_cast<std::uint32_t>(message.size());
    header.back = back;
    store_little(heads_[count].data(), pack(header));
    places_.emplace_back(heads_[count]);
    message.gather(message.size(), places_);
    bytes += kHeaderSize + message.size();
    ++count;
  }
  return count;
}

// Takes off `written` what went out of this message of a batch, whose record was the last to begin: whether that was all.
bool StreamRecords::count_written(OutgoingMessage& message, std::size_t& written) noexcept {
  const std::size_t of_header = std::min(written, kHeaderSize);
  const std::size_t of_payload = std::min(written - of_header, message.size());
  message.start();
  message.advance(of_payload);
  written -= of_header + of_payload;
  header_left_ = kHeaderSize - of_header;
  record_left_ = message.rest();
  return header_left_ == 0 && record_left_ == 0;
}

Result<std::size_t> StreamRecords::put_batch(std::span<OutgoingMessage> messages, std::uint32_t back) {
  if (auto moved = move_rest(); !moved) return moved.error();
  const bool is_begun = header_left_ != 0 || record_left_ != 0;  // the first of them, by an earlier call
  const std::size_t count = is_begun || messages.front().started() ? 0 : gather_batch(messages, back);
  if (count == 0) {
    const auto put = this->put(messages.front(), back);
    if (!put) return put.error();
    return *put ? 1 : 0;
  }
  const auto written = link_->write(places_);
  if (!written) return written.error();
  std::size_t left = *written;
  for (std::size_t whole = 0; whole < count; ++whole) {
    if (left == 0) return whole;
    if (count_written(messages[whole], left)) continue;
    std::ranges::copy(heads_[whole], header_.end() - kHeaderSize);
    return whole;
  }
  return count;
}

Result<void> StreamRecords::put_control(const Control& control, std::uint32_t back) {
  if (auto moved = move_rest(); !moved) return moved;
  if (header_left_ != 0 || record_left_ != 0) return would_block();
  std::array<std::byte, kHeaderSize + kControlSize> bytes;
  store_little(bytes.data(), pack({.length = kControlSize, .kind = Kind::control, .back = back}));
  std::ranges::copy(encode(control), bytes.begin() + kHeaderSize);
  const Bytes place{bytes};
  const auto written = link_->write({&place, 1});
  if (!written) return written.error();
  // A part of it went out: it counts as written, the rest goes before everything else.
  control_rest_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(*written), bytes.end());
  return {};
}

Result<void> StreamRecords::move_rest() {
  while (!control_rest_.empty()) {
    const Bytes place{control_rest_};
    const auto written = link_->write({&place, 1});
    if (!written) return written.error();
    control_rest_.erase(control_rest_.begin(), control_rest_.begin() + static_cast<std::ptrdiff_t>(*written));
  }
  return {};
}

// ---- incoming ------------------------------------------------------------------------------------------------------------

void StreamRecords::drop_buffered(std::size_t count) noexcept {
  buffer_begin_ += count;
  if (buffer_begin_ == buffer_.size()) {
    buffer_.clear();
    buffer_begin_ = 0;
  }
}

// Reads once: the payload that is expected straight into the assembly, what follows into the buffer. After a piece of a large
// message only the next header is read ahead, so that its payload needs no copy either.
Result<void> StreamRecords::fill() {
  if (!buffer_.reserve(kReadBuffer)) return Errc::out_of_memory;
  if (buffer_begin_ != 0) {
    const std::size_t left = buffered();
    std::memmove(buffer_.data(), buffer_.data() + buffer_begin_, left);
    buffer_.resize_down(left);
    buffer_begin_ = 0;
  }
  std::array<std::span<std::byte>, 2> rooms;
  std::size_t count = 0;
  const bool into_assembly = record_ && record_->header.kind != Kind::control && record_->left != 0;
  if (into_assembly) {
    if (!assembly_.reserve(record_->left)) return Errc::out_of_memory;
    rooms[count++] = assembly_.bytes().room().first(record_->left);
  }
  const bool piece = into_assembly && record_->header.kind == Kind::piece;
  rooms[count++] = piece ? buffer_.room().first(std::min(kHeaderSize, buffer_.room().size())) : buffer_.room();

  const bool opens_handles = max_handles_ != 0 && !discards_handles_;
  const auto read = link_->read(std::span{rooms}.first(count), opens_handles ? &came_ : nullptr);
  if (!read) return read.error();
  if (*read == 0) {
    at_end_ = true;
    return {};
  }
  std::size_t of_record = 0;
  if (into_assembly) {
    of_record = std::min(*read, record_->left);
    assembly_.bytes().grow(of_record);
    record_->left -= of_record;
  }
  buffer_.grow(*read - of_record);
  read_ += *read;
  return note_arrival(*read);
}

// Keeps the handles that came with the last `count` bytes until their record is read. They belong to a record that begins among
// these bytes: who sends them with others, or faster than records, is no Sluice peer.
Result<void> StreamRecords::note_arrival(std::size_t count) {
  if (came_.empty()) return {};
  arrivals_.push_back({read_ - count, read_, std::exchange(came_, {})});
  if (arrivals_.size() > kMaxArrivals || has_stray_handles()) return protocol_error();
  return {};
}

// Whether there are handles that came before the next header: no record can claim them any more.
bool StreamRecords::has_stray_handles() const noexcept {
  return !arrivals_.empty() && arrivals_.front().end <= position() + (record_ ? record_->left : 0);
}

void StreamRecords::discard_handles() noexcept {
  discards_handles_ = true;
  arrivals_.clear();
}

// Reads the header of the next record out of the buffer; false if it isn't all there yet.
Result<bool> StreamRecords::begin_incoming() {
  if (buffered() < kHeaderSize) return false;
  const auto header = unpack(load_little<std::uint64_t>(buffer_.data() + buffer_begin_));
  if (!header || header->home) return protocol_error();
  const bool control = header->kind == Kind::control;
  if (header->kind == Kind::filler || header->length > (control ? kMaxControl : kMaxStreamPayload)) return protocol_error();
  std::vector<links::Descriptor> handles;
  if (header->handles) {
    const bool is_first = (header->kind == Kind::data || header->kind == Kind::piece) && !assembly_.is_open();
    if (!is_first || header->length < kHandleCountSize || max_handles_ == 0) return protocol_error();
    if (buffered() < kHeaderSize + kHandleCountSize) return false;
    auto taken = take_handles({buffer_.data() + buffer_begin_ + kHeaderSize, kHandleCountSize});
    if (!taken) return taken.error();
    handles = *std::move(taken);
  }
  const std::size_t head = kHeaderSize + (header->handles ? kHandleCountSize : 0);
  const std::size_t length = kHeaderSize + header->length - head;
  if (!control) {
    if (auto begun = assembly_.begin(header->kind, length); !begun) return begun.error();
    if (header->handles) assembly_.attach(std::move(handles));
  }
  drop_buffered(head);
  record_ = Record{*header, length};
  if (has_stray_handles()) return protocol_error();
  return true;
}

// The handles of the record whose header is next in the buffer: as many as the record says, and they came when it began.
Result<std::vector<links::Descriptor>> StreamRecords::take_handles(Bytes count_bytes) {
  const auto count = load_little<std::uint64_t>(count_bytes.data());
  if (count == 0 || count > max_handles_) return protocol_error();
  if (discards_handles_) return std::vector<links::Descriptor>{};
  if (arrivals_.empty() || arrivals_.front().begin > position()) return protocol_error();
  auto handles = std::move(arrivals_.front().handles);
  arrivals_.erase(arrivals_.begin());
  if (!handles.back()) return Error{Errc::limit_reached, Step::receive, 0, 0, 0};  // they could not be opened here
  if (handles.size() != count) return protocol_error();
  return handles;
}

Result<Incoming> StreamRecords::take_control() {
  if (buffered() < record_->left) return would_block();
  const auto control = decode_control({buffer_.data() + buffer_begin_, record_->left});
  if (!control || (assembly_.is_open() && ends_direction(control->word))) return protocol_error();
  Incoming incoming;
  incoming.what = Incoming::What::control;
  incoming.back = record_->header.back;
  incoming.control = *control;
  drop_buffered(record_->left);
  record_.reset();
  return incoming;
}

// Moves what the buffer holds of the current record into the assembly.
Result<void> StreamRecords::take_payload() {
  const std::size_t there = std::min(buffered(), record_->left);
  if (there == 0) return {};
  if (!assembly_.reserve(record_->left) || !assembly_.bytes().append({buffer_.data() + buffer_begin_, there}))
    return Errc::out_of_memory;
  drop_buffered(there);
  record_->left -= there;
  return {};
}

// The record that has begun is a whole message, without handles, that has all come and fits.
bool StreamRecords::is_plain(std::size_t room) const noexcept {
  return record_->header.kind == Kind::data && !record_->header.handles && assembly_.is_empty() && record_->left <= room &&
         record_->left <= buffered();
}

Incoming StreamRecords::take_plain(std::span<std::byte> room) {
  const std::size_t size = record_->left;
  std::ranges::copy(Bytes{buffer_.data() + buffer_begin_, size}, room.begin());
  drop_buffered(size);
  (void)assembly_.finish();  // nothing to assemble
  Incoming incoming;
  incoming.what = Incoming::What::message;
  incoming.back = record_->header.back;
  incoming.message = MessageStorage::make_message(room.first(size), nullptr);
  record_.reset();
  return incoming;
}

Result<Incoming> StreamRecords::take(std::span<std::byte> room) {
  for (int fills = 0; fills < kFillsPerTake; ++fills) {
    if (!record_) {
      const auto begun = begin_incoming();
      if (!begun) return begun.error();
    }
    if (record_ && record_->header.kind == Kind::control) {
      if (auto control = take_control(); control || control.error().code != Errc::would_block) return control;
    } else if (record_ && is_plain(room.size())) {
      return take_plain(room);
    } else if (record_) {
      if (auto moved = take_payload(); !moved) return moved.error();
      if (record_->left == 0) {
        const std::uint32_t back = record_->header.back;
        record_.reset();
        if (!assembly_.is_last()) continue;
        Incoming incoming;
        incoming.what = Incoming::What::message;
        incoming.back = back;
        incoming.message = assembly_.finish();
        return incoming;
      }
    }
    if (at_end_) return Incoming{};
    if (auto filled = fill(); !filled) return filled.error();
  }
  Incoming incoming;
  incoming.what = Incoming::What::more;
  return incoming;
}

}  // namespace sluice::inline v0::core
