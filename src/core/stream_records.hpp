// Records in a stream: header, payload, header, payload … A record is at most 64 KiB, so that control records pass between
// the pieces of a large message. Handles travel with the first byte of the first record of their message.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <sluice/result.hpp>

#include "core/record.hpp"
#include "core/records.hpp"
#include "links/buffer.hpp"
#include "links/stream_link.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {

inline constexpr std::size_t kMaxStreamPayload = std::size_t{64} << 10;  // of a record

// One thread at a time may use the outgoing half (put, put_control, move_rest), one the incoming half (take).
class StreamRecords {
 public:
  // `max_handles`: the most that one incoming message may have; with 0 none is opened here.
  StreamRecords(std::unique_ptr<links::StreamLink> link, std::size_t max_message, std::size_t max_handles = 0)
      : link_(std::move(link)), assembly_(max_message), max_handles_(max_handles) {
    if (max_handles != 0) link_->accept_handles(max_handles);
  }

  // Writes the next record of `message`: true if that was its last, false if more follow. would_block: message.started() tells
  // whether any byte of it went out; then this very message (or its tail) has to be put again before any other.
  // `back` goes into the header.
  Result<bool> put(OutgoingMessage& message, std::uint32_t back);
  // Writes from the front of `messages`, those that have not started, as many as go with one write: how many are written whole.
  // The one behind them may have started, as after put(), which goes on with it.
  Result<std::size_t> put_batch(std::span<OutgoingMessage> messages, std::uint32_t back);
  // Writes a control record. would_block also in the middle of a record of a message. A part may be left for move_rest().
  Result<void> put_control(const Control& control, std::uint32_t back);
  // Writes the rest of a control record of which put_control() could write only a part. would_block: not all of it.
  Result<void> move_rest();

  // The next message or control word. would_block: nothing (more) is there. limit_reached: handles of the next message could
  // not be opened here, and are lost. `room`: the caller's, where a message may be put at once, whole, instead of into memory
  // of its own: then its bytes begin where the room does.
  Result<Incoming> take(std::span<std::byte> room = {});
  // From here on messages are taken without their handles, which are not opened any more: nobody will receive them.
  void discard_handles() noexcept;

  [[nodiscard]] links::Waitable incoming() const { return link_->incoming(); }
  [[nodiscard]] links::Waitable outgoing() const { return link_->outgoing(); }

 private:
  struct Record {
    RecordHeader header;
    std::size_t left{0};  // bytes of payload still to come
  };

  // Handles that came with one read, and so with one of the bytes begin … end - 1 of the stream; with which, nobody says.
  struct Arrival {
    std::uint64_t begin;
    std::uint64_t end;
    std::vector<links::Descriptor> handles;
  };

  void begin_record(const OutgoingMessage& message, std::uint32_t back);
  std::size_t gather_batch(std::span<const OutgoingMessage> messages, std::uint32_t back);
  [[nodiscard]] bool count_written(OutgoingMessage& message, std::size_t& written) noexcept;
  Result<void> fill();
  Result<void> note_arrival(std::size_t count);
  [[nodiscard]] bool has_stray_handles() const noexcept;
  Result<bool> begin_incoming();
  Result<std::vector<links::Descriptor>> take_handles(Bytes count_bytes);
  Result<Incoming> take_control();
  [[nodiscard]] bool is_plain(std::size_t room) const noexcept;
  Incoming take_plain(std::span<std::byte> room);
  Result<void> take_payload();
  [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size() - buffer_begin_; }
  [[nodiscard]] std::uint64_t position() const noexcept { return read_ - buffered(); }  // of what is taken next, in the stream
  void drop_buffered(std::size_t count) noexcept;

  std::unique_ptr<links::StreamLink> link_;

  // outgoing
  std::array<std::byte, kHeaderSize + kHandleCountSize>
      header_{};                         // at its end: a header, and the count where there are handles
  std::size_t header_left_{0};           // bytes of header_ still to be written
  std::size_t record_left_{0};           // bytes of payload of the record that header_ began
  std::vector<std::byte> control_rest_;  // the rest of a control record of which a part went out
  std::vector<Bytes> places_;            // scratch
  std::vector<Handle::Native> handles_;  // scratch
  // scratch: the headers of a batch, each as header_
  std::vector<std::array<std::byte, kHeaderSize>> heads_;

  // incoming
  links::Buffer buffer_;  // read, not yet taken
  std::size_t buffer_begin_{0};
  std::uint64_t read_{0};  // bytes, from the beginning of the stream
  Assembly assembly_;
  std::optional<Record> record_;  // the one that is being taken
  std::size_t max_handles_;
  std::vector<links::Descriptor> came_;  // scratch: with the last read
  std::vector<Arrival> arrivals_;        // not yet claimed by a record; see kMaxArrivals
  bool discards_handles_{false};
  bool at_end_{false};
};

}  // namespace sluice::inline v0::core
