// Records in a stream: header, payload, header, payload … A record is at most 64 KiB, so that control records pass between
// the pieces of a large message.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <sluice/result.hpp>

#include "core/record.hpp"
#include "core/records.hpp"
#include "links/buffer.hpp"
#include "links/stream_link.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {

inline constexpr std::size_t kMaxStreamRecord = std::size_t{64} << 10;  // header included
inline constexpr std::size_t kMaxStreamPayload = kMaxStreamRecord - kHeaderSize;

// One thread at a time may use the outgoing half (put, put_control, move_rest), one the incoming half (take).
class StreamRecords {
 public:
  StreamRecords(std::unique_ptr<links::StreamLink> link, std::size_t max_message) noexcept
      : link_(std::move(link)), assembly_(max_message) {}

  // Writes the next record of `message`: true if that was its last, false if more follow. would_block: message.started() tells
  // whether any byte of it went out; then this very message (or its tail) has to be put again before any other.
  // `back` goes into the header.
  Result<bool> put(Outgoing& message, std::uint32_t back);
  // Writes a control record. would_block also in the middle of a record of a message. A part may be left for move_rest().
  Result<void> put_control(const Control& control, std::uint32_t back);
  // Writes the rest of a control record of which put_control() could write only a part. would_block: not all of it.
  Result<void> move_rest();

  // The next message or control word. would_block: nothing (more) is there.
  Result<Incoming> take();

  [[nodiscard]] links::Waitable incoming() const { return link_->incoming(); }
  [[nodiscard]] links::Waitable outgoing() const { return link_->outgoing(); }

 private:
  struct Record {
    RecordHeader header;
    std::size_t left{0};  // bytes of payload still to come
  };

  void begin_record(const Outgoing& message, std::uint32_t back);
  Result<void> fill();
  Result<bool> begin_incoming();
  Result<Incoming> take_control();
  Result<void> take_payload();
  [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size() - buffer_begin_; }
  void drop_buffered(std::size_t count) noexcept;

  std::unique_ptr<links::StreamLink> link_;

  // outgoing
  std::array<std::byte, kHeaderSize> header_{};
  std::size_t header_left_{0};           // bytes of header_ still to be written
  std::size_t record_left_{0};           // bytes of payload of the record that header_ began
  std::vector<std::byte> control_rest_;  // the rest of a control record of which a part went out
  std::vector<Bytes> places_;            // scratch

  // incoming
  links::Buffer buffer_;  // read, not yet taken
  std::size_t buffer_begin_{0};
  Assembly assembly_;
  std::optional<Record> record_;  // the one that is being taken
  bool at_end_{false};
};

}  // namespace sluice::inline v0::core
