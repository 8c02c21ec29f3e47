// The producer's half of a ring: puts records into shared memory, waits for nothing, and believes nothing that it reads there.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <sluice/result.hpp>

#include "core/record.hpp"
#include "core/records.hpp"
#include "core/ring_handles.hpp"
#include "core/ring_layout.hpp"
#include "links/region_link.hpp"

namespace sluice::inline v0::core {

// One call at a time, from whichever thread: the session's lock of the outgoing half sees to it, for put and put_control as for
// the announcements, which each side that is about to sleep makes for itself. Only note_released() comes beside them, from the
// thread that holds the other half.
//
// Positions count bytes from the beginning: lap × capacity + offset. They are private; the region only ever holds the
// release position, of which each new value is checked to lie between the old one and our own position.
class RingWriter {
 public:
  // `handles` (borrowed) carries those of messages; null: they have none.
  RingWriter(std::shared_ptr<links::RegionLink> region, unsigned ring, RingHandles* handles = nullptr) noexcept
      : region_(std::move(region)), ring_(ring_of(region_->memory(), ring)), lap_(ring_.capacity), handles_(handles) {}

  // Publishes the next record of `message`: true if that was its last, false if more follow. would_block: no room, in the ring
  // or for its handles, and message.started() tells whether any record of it is published. Handles go before the first record.
  // `back`: our release position of the other ring.
  Result<bool> put(OutgoingMessage& message, std::uint32_t back);
  // Control records may use room that messages leave for them, so that a goodbye always fits.
  Result<void> put_control(const Control& control, std::uint32_t back);

  // Several messages become visible together, with one look whether the consumer sleeps: what is put between these two.
  void begin_batch() noexcept;
  void end_batch() noexcept;
  // The same for a scope: whatever ends it, what was put becomes visible.
  class Batch {
   public:
    explicit Batch(RingWriter& writer) noexcept : writer_(writer) { writer_.begin_batch(); }
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    ~Batch() { writer_.end_batch(); }

   private:
    RingWriter& writer_;
  };

  // A place in the ring for a message of `size` bytes, to be written by the caller: nothing if it doesn't lie whole in this
  // ring. would_block: no room. Until commit() or take_back() no message is put. A control record that is put meanwhile makes
  // the place void, for good: it goes behind it, and there is room for it.
  Result<std::optional<std::span<std::byte>>> lend(std::size_t size, std::uint32_t back);
  // Publishes the first `size` bytes of the place that was lent: false if that has become void.
  [[nodiscard]] bool commit(std::size_t size, std::uint32_t back) noexcept;
  void take_back() noexcept { lent_.reset(); }

  // A release position that came along in a header of the other direction. Any thread.
  void note_released(std::uint32_t units) noexcept {
    // release: pairs with the acquire in note_hint(); the header that brought it was read with acquire, so the peer's
    // reads of the released bytes come before our writes over them.
    piggybacked_.store(units, std::memory_order_release);
  }

  // How many messages the peer has taken, modulo 2^32, as it says.
  [[nodiscard]] std::uint32_t taken() const noexcept {
    // acquire: pairs with the release store of `taken` in RingReader::note_taken(); nothing else is read through it.
    return shared(ring_.consumer->taken).load(std::memory_order_acquire);
  }

  // Whether what was last refused would find room now; true if nothing was.
  [[nodiscard]] bool has_room() noexcept;

  // Announce that this end is about to sleep until room is released, or until messages are taken. The caller must look again
  // afterwards, and only then sleep.
  void announce_room() noexcept;
  void announce_asking() noexcept;
  // Takes back the announcement for room; so does each record that is put. Whoever still waits for room announces it again.
  void stop_waiting() noexcept;
  [[nodiscard]] bool waits_for_room() const noexcept { return waits_for_room_; }

 private:
  // Where a record goes, and the position behind it.
  struct Place {
    Spot spot;
    std::uint64_t end;
    [[nodiscard]] std::byte* payload() const noexcept { return spot.place() + kHeaderSize; }
  };
  void make_void(std::uint32_t back) noexcept;
  Result<Place> find_place(std::size_t length, std::uint32_t back, std::size_t kept_free);
  Result<Place> find_place_in_lap(std::size_t length, std::uint32_t back, std::size_t kept_free);
  Result<void> end_lap(std::uint32_t back, std::size_t kept_free);
  [[nodiscard]] bool fits_at_home(std::size_t length) const noexcept;
  [[nodiscard]] bool goes_home(const RecordHeader& header) noexcept;
  void leave_home(std::uint32_t back) noexcept;
  void back_up_to(std::size_t offset) noexcept;
  Result<void> require_room(std::uint64_t end) noexcept;
  Result<void> require_room_for(std::uint64_t end, std::size_t kept_free) noexcept;
  Result<void> note_hint() noexcept;
  Result<void> note_position(std::uint32_t units) noexcept;
  void ring_sleeping_consumer() noexcept;
  void publish_at(Place place, RecordHeader header) noexcept;
  void publish(Spot spot, RecordHeader header) noexcept;
  void publish_alone(std::byte* at, std::uint64_t packed) noexcept;
  // Capacities are powers of two; a division would take longer than the rest of a small record.
  [[nodiscard]] std::size_t offset_of(std::uint64_t position) const noexcept {
    return static_cast<std::size_t>(position & (ring_.capacity - 1));
  }
  [[nodiscard]] std::size_t offset() const noexcept { return offset_of(position_); }
  [[nodiscard]] Spot here() const noexcept { return Spot::in_ring(ring_.bytes + offset()); }
  [[nodiscard]] Spot home() const noexcept { return Spot::at_home(ring_, homes_used_); }
  [[nodiscard]] std::uint64_t next_lap() const noexcept { return position_ - offset() + ring_.capacity; }
  [[nodiscard]] std::size_t whole_limit() const noexcept;
  [[nodiscard]] std::size_t piece_limit() const noexcept;

  std::shared_ptr<links::RegionLink> region_;
  RingView ring_;
  std::uint64_t position_{0};  // where the next record begins
  std::uint64_t released_{0};  // up to where the peer has let go
  std::size_t lap_;            // bytes of a lap that may be used: the capacity, or less where memory has run out
  std::size_t backed_{kFirstStretch};
  std::uint64_t wanted_{0};                    // up to where the message that found no room needs it; 0: none was refused
  bool is_home_next_{false};                   // the next record is looked for in a home slot, home()
  std::uint32_t homes_used_{0};                // records that were put into one, modulo 2^32
  std::optional<std::size_t> lent_;            // bytes of the place that is lent, in the ring at position_
  bool is_batch_{false};                       // between begin_batch() and end_batch()
  std::byte* first_at_{nullptr};               // where the first record of a batch is …
  std::uint64_t first_header_{0};              // … and its header, not published yet; 0: there is none
  bool waits_for_room_{false};                 // announced, and not taken back
  std::atomic<std::uint32_t> piggybacked_{0};  // the release position that came last in a header …
  std::uint32_t noted_{0};                     // … and the last one of them that was looked at
  RingHandles* handles_;                       // null: messages have none
  std::uint32_t messages_{0};                  // whose last record is published
};

}  // namespace sluice::inline v0::core
