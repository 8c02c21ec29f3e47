// Messages in a stream as a foreign framing has them (framing.hpp): no hello, no control records, no acknowledgement. The end
// of the stream is the peer's finish; whether it has closed altogether shows when we write.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <sluice/result.hpp>

#include "core/framing.hpp"
#include "core/record.hpp"
#include "core/records.hpp"
#include "links/buffer.hpp"
#include "links/stream_link.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {

// The most that one read of framing `raw` brings, and so one message.
inline constexpr std::size_t kMaxRawMessage = std::size_t{64} << 10;

// One thread at a time may use the outgoing half (put, put_control, move_rest), one the incoming half (take).
class ForeignRecords {
 public:
  ForeignRecords(std::unique_ptr<links::StreamLink> link, Framing framing, std::size_t max_message)
      : link_(std::move(link)), framing_(row_of(framing)), max_message_(max_message) {}

  // Writes `message`: true. would_block: message.started() tells whether any byte of it went out; then this very message (or
  // its tail) has to be put again before any other. misuse: the framing can't say it.
  Result<bool> put(OutgoingMessage& message, std::uint32_t);
  // The first of several, for each is judged by itself: 1.
  Result<std::size_t> put_batch(std::span<OutgoingMessage> messages, std::uint32_t back) {
    if (const auto put = this->put(messages.front(), back); !put) return put.error();
    return std::size_t{1};
  }
  // finish and goodbye end the stream, once; there is no way to say the others. would_block in the middle of a message.
  Result<void> put_control(const Control& control, std::uint32_t);
  Result<void> move_rest() noexcept { return {}; }

  // The next message; the end of the stream between two messages as the control word `finish`, once, and then would_block;
  // inside a message, or as a reset, as the end of the link. protocol_error: a message that is larger than this end accepts.
  Result<Incoming> take();

  [[nodiscard]] links::Waitable incoming() const { return link_->incoming(); }
  [[nodiscard]] links::Waitable outgoing() const { return link_->outgoing(); }

 private:
  [[nodiscard]] Result<void> begin(const OutgoingMessage& message);
  void gather(const OutgoingMessage& message);
  Result<void> fill();
  Result<bool> next_from_buffer();
  Result<bool> next_by_prefix();
  Result<bool> next_by_delimiter();
  Result<bool> next_raw();
  Result<void> append(std::size_t count);
  [[nodiscard]] bool reserve(std::size_t needed, std::size_t most) noexcept;
  [[nodiscard]] Incoming hand_over();
  Result<Incoming> take_end();
  [[nodiscard]] Error too_large(std::size_t size) const noexcept;
  [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size() - buffer_begin_; }
  [[nodiscard]] Bytes buffered_bytes() const noexcept { return buffer_.bytes().subspan(buffer_begin_); }
  void drop_buffered(std::size_t count) noexcept;

  std::unique_ptr<links::StreamLink> link_;
  const FramingRow& framing_;
  std::size_t max_message_;

  // outgoing
  bool is_open_{false};                       // a message has begun
  std::array<std::byte, kMaxPrefix> head_{};  // at its end: the prefix
  std::size_t head_left_{0};                  // bytes of it still to be written
  std::size_t trailer_left_{0};               // 1: its delimiter is
  bool is_finished_{false};
  std::vector<Bytes> places_;  // scratch

  // incoming
  links::Buffer buffer_;  // read, not yet taken
  std::size_t buffer_begin_{0};
  links::Buffer message_;            // what has come of the one that is coming
  std::optional<std::size_t> left_;  // of it, where a prefix has said so
  bool at_end_{false};
  bool end_told_{false};
};

}  // namespace sluice::inline v0::core
