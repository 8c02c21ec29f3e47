// Records in a ring: both rings of a region, seen from one end, behind the same calls as records in a stream or in packets.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include <sluice/result.hpp>

#include "core/record.hpp"
#include "core/records.hpp"
#include "core/ring_handles.hpp"
#include "core/ring_reader.hpp"
#include "core/ring_writer.hpp"
#include "links/region_link.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {

// One thread at a time may use the outgoing half: put, put_control, put_batch, lend, commit, take_back, taken_by_peer,
// announce_room, announce_asking, stop_waiting_for_room, waits_for_room, has_room; and one the incoming half: take, take_plain,
// note_taken, is_holding_up, discard_handles. Which thread that is may change from call to call: the session's two locks see to
// it. announce_incoming, has_incoming, is_waited_for, bell, silence and region are for any thread.
class RingRecords {
 public:
  // `copies`: messages are never views. `handles`: what carries those of messages; null: they have none.
  RingRecords(std::shared_ptr<links::RegionLink> region, std::size_t max_message, bool copies,
              std::unique_ptr<RingHandles> handles)
      : region_(std::move(region)),
        handles_(std::move(handles)),
        writer_(std::make_unique<RingWriter>(region_, region_->is_maker() ? 1U : 0U, handles_.get())),
        reader_(std::make_unique<RingReader>(region_, region_->is_maker() ? 0U : 1U, max_message, handles_.get(), copies)) {}

  Result<bool> put(OutgoingMessage& message, std::uint32_t) { return writer_->put(message, reader_->released_units()); }
  Result<void> put_control(const Control& control, std::uint32_t) {
    return writer_->put_control(control, reader_->released_units());
  }
  static Result<void> move_rest() noexcept { return {}; }
  // Puts messages from the front until one finds no room, and publishes them together: how many are put whole.
  Result<std::size_t> put_batch(std::span<OutgoingMessage> messages, std::uint32_t back) {
    std::size_t whole = 0;
    Result<bool> done = true;
    {
      const RingWriter::Batch batch{*writer_};
      while (whole < messages.size() && done) {
        done = put(messages[whole], back);
        if (done && *done) ++whole;
      }
    }
    if (whole == 0 && !done) return done.error();
    return whole;
  }

  Result<std::optional<std::span<std::byte>>> lend(std::size_t size) { return writer_->lend(size, reader_->released_units()); }
  [[nodiscard]] bool commit(std::size_t size) noexcept { return writer_->commit(size, reader_->released_units()); }
  void take_back() noexcept { writer_->take_back(); }
  // What keeps the memory of a loan mapped.
  [[nodiscard]] std::shared_ptr<links::RegionLink> region() const noexcept { return region_; }

  Result<Incoming> take() {
    auto incoming = reader_->take();
    if (incoming && incoming->what != Incoming::What::more) writer_->note_released(incoming->back);
    return incoming;
  }
  std::optional<std::size_t> take_plain(std::span<std::byte> room) {
    const auto taken = reader_->take_plain(room);
    if (!taken) return std::nullopt;
    writer_->note_released(taken->back);
    return taken->size;
  }
  [[nodiscard]] bool has_incoming() const noexcept { return reader_->has_record(); }
  void note_taken(std::uint32_t messages) noexcept { reader_->note_taken(messages); }
  [[nodiscard]] std::uint32_t taken_by_peer() const noexcept { return writer_->taken(); }

  // Both directions are waited for at the doorbell, for reading.
  [[nodiscard]] links::Waitable bell() const { return region_->bell(); }
  [[nodiscard]] bool silence() noexcept { return region_->silence(); }
  void announce_incoming() noexcept { reader_->announce(); }
  void announce_room() noexcept { writer_->announce_room(); }
  void stop_waiting_for_room() noexcept { writer_->stop_waiting(); }
  [[nodiscard]] bool waits_for_room() const noexcept { return writer_->waits_for_room(); }
  [[nodiscard]] bool is_waited_for() const noexcept { return reader_->is_waited_for(); }
  [[nodiscard]] bool is_holding_up() const noexcept { return reader_->is_holding_up(); }
  void announce_asking() noexcept { writer_->announce_asking(); }
  [[nodiscard]] bool has_room() noexcept { return writer_->has_room(); }

  // For handles, which go another way: where to wait for room (none: there are none), and whether the last message that had
  // some was refused for want of it. Any thread.
  [[nodiscard]] links::Waitable outgoing_handles() const { return handles_ ? handles_->outgoing() : links::Waitable{}; }
  [[nodiscard]] bool waits_for_handles() const noexcept { return handles_ && handles_->is_full(); }
  void discard_handles() noexcept {
    if (handles_) handles_->discard();
  }

 private:
  std::shared_ptr<links::RegionLink> region_;
  std::unique_ptr<RingHandles> handles_;
  std::unique_ptr<RingWriter> writer_;
  std::unique_ptr<RingReader> reader_;
};

}  // namespace sluice::inline v0::core
