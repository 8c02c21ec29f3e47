// The consumer's half of a ring: takes records out of shared memory as views, and gives their room back in order.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <sluice/result.hpp>

#include "core/record.hpp"
#include "core/records.hpp"
#include "core/ring_handles.hpp"
#include "core/ring_layout.hpp"
#include "links/region_link.hpp"
#include "links/system.hpp"

namespace sluice::inline v0::core {

// What received messages share with the reader, and may outlive it: which stretches of the ring are still held. Room is given
// back in the order of the ring, whatever the order in which messages are let go.
class RingHold {
 public:
  RingHold(std::shared_ptr<links::RegionLink> region, const RingView& ring) noexcept;

  // Whether an honest producer can have written up to `end`: not over what has not been given back.
  [[nodiscard]] bool admits(std::uint64_t end) const noexcept;
  // The stretch up to `end` is taken; its number, for let_go().
  std::uint64_t hold(std::uint64_t end);
  // The stretch up to `end` is done with already: true if its room was given back.
  bool pass(std::uint64_t end);
  // Rings a producer that waits for room, after a pass() that gave some back, and after a seq_cst fence.
  void ring_waiting_producer() noexcept;
  [[nodiscard]] bool holds_messages() const noexcept;
  // Any thread. Does nothing in a forked child.
  void let_go(std::uint64_t number) noexcept;

  // The release position in units, for the headers of the other direction. Any thread.
  // acquire: pairs with the release in give_back(): our reads of the room come before the header that gives it back
  [[nodiscard]] std::uint32_t released_units() const noexcept { return released_units_.load(std::memory_order_acquire); }

 private:
  struct Stretch {
    std::uint64_t end;
    bool held;
  };
  void release_front() noexcept;
  void give_back(std::uint64_t position) noexcept;

  std::shared_ptr<links::RegionLink> region_;
  RingView ring_;
  std::uint32_t generation_;
  mutable std::mutex mutex_;
  std::deque<Stretch> stretches_;  // in the order of the ring; the front one is held
  // Whether there are any. Set by the reader alone, cleared by the last let_go(), under the lock: so the reader needs none
  // where there are no stretches, for no message is left that could be let go. acquire and release: it sees what the last one
  // did.
  std::atomic<bool> is_holding_{false};
  std::uint64_t first_number_{0};  // of stretches_.front()
  // Up to where room was given back. Written as give_back() says. relaxed: admits() needs no newer value than the one that the
  // producer had seen when it wrote what is judged, and that one is visible with its header.
  std::atomic<std::uint64_t> released_{0};
  std::atomic<std::uint32_t> released_units_{0};
};

// Used by one thread at a time (the session's lock of the incoming half), but for four calls that touch nothing of it but what
// is atomic: released_units(), which puts ask for, announce(), which each side that is about to sleep makes for itself,
// has_record() and is_waited_for().
class RingReader {
 public:
  // `handles` (borrowed) carries those of messages; null: they have none. `copies`: messages are private copies, never views.
  RingReader(std::shared_ptr<links::RegionLink> region, unsigned ring, std::size_t max_message, RingHandles* handles = nullptr,
             bool copies = false);

  // The next message (a view into the ring, or assembled from pieces) or control word; would_block: nothing is there.
  // limit_reached: handles of the next message could not be opened here, and are lost.
  Result<Incoming> take();
  // The shortest way of a message, for the many that are small: if the next record is a whole message, without handles, that
  // fits into `room`, it is put there and let go. Nothing: take() tells what there is. note_taken() follows a message.
  struct Plain {
    std::size_t size;
    std::uint32_t back;  // of the header
  };
  std::optional<Plain> take_plain(std::span<std::byte> room);
  // Any thread: a record is there. A hint, as another thread may take it.
  [[nodiscard]] bool has_record() const noexcept {
    // relaxed, both: take() looks itself
    const Spot spot = next_.load(std::memory_order_relaxed);
    // A message of 64 bytes has 8 of them in the second line of its slot: so both lines are on their way at once.
    if (spot.is_home()) links::prefetch(spot.place() + kCacheLine);
    return spot.is_header(header_at(spot.place()).load(std::memory_order_relaxed));
  }

  // Counts messages as handed to the caller, and tells a producer that asks.
  void note_taken(std::uint32_t messages) noexcept;

  // Any thread: the producer waits for room, as it says.
  [[nodiscard]] bool is_waited_for() const noexcept {
    // relaxed: ordered by the fence in announce(), see RingWriter::announce_room()
    return shared(ring_.producer_bell->waits).load(std::memory_order_relaxed) != 0;
  }
  // True if messages that are still held take the room that the producer waits for: nothing will come until one is let go.
  [[nodiscard]] bool is_holding_up() const noexcept;

  // Announces that this end is about to sleep until something comes. The caller must look again, and only then sleep.
  void announce() noexcept;

  [[nodiscard]] std::uint32_t released_units() const noexcept { return hold_->released_units(); }

 private:
  // The next record: its header and payload, and the position behind it.
  struct Found {
    RecordHeader header;
    Bytes payload;
    std::uint64_t end;
  };
  [[nodiscard]] std::size_t offset() const noexcept { return static_cast<std::size_t>(position_ & (ring_.capacity - 1)); }
  Result<Found> find() const;
  // relaxed: written by this side
  [[nodiscard]] Spot next() const noexcept { return next_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::optional<std::uint64_t> end_of(const RecordHeader& header, Spot spot) const noexcept;
  [[nodiscard]] Result<void> step_over(const Found& filler);
  Result<Incoming> take_record(const Found& found);
  Result<std::vector<links::Descriptor>> take_handles(const RecordHeader& header);
  void move_behind(const RecordHeader& header, std::uint64_t end) noexcept;
  void pass(const Found& found);

  std::shared_ptr<links::RegionLink> region_;
  RingView ring_;
  std::shared_ptr<RingHold> hold_;
  const bool copies_;
  Assembly assembly_;
  std::uint64_t position_{0};
  std::uint32_t homes_used_{0};  // how many records led to a home slot, modulo 2^32
  std::atomic<Spot> next_;       // where the next record is looked for
  bool gave_back_{false};        // room, and it was not looked whether the producer waits for that
  std::uint32_t taken_{0};
  RingHandles* handles_;       // null: messages have none
  std::uint32_t messages_{0};  // whose last record was taken off the ring
};

}  // namespace sluice::inline v0::core
