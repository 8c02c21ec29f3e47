// The consumer's half of a ring: takes records out of shared memory as views, and gives their room back in order.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include <sluice/result.hpp>

#include "core/record.hpp"
#include "core/records.hpp"
#include "core/ring_handles.hpp"
#include "core/ring_layout.hpp"
#include "links/region_link.hpp"

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
  // The stretch up to `end` is done with already.
  void pass(std::uint64_t end);
  [[nodiscard]] bool holds_messages() const noexcept;
  // Any thread. Does nothing in a forked child.
  void let_go(std::uint64_t number) noexcept;

  // The release position in units, for the headers of the other direction. Any thread.
  // acquire: pairs with the release in publish(): our reads of the room come before the header that gives it back
  [[nodiscard]] std::uint32_t released_units() const noexcept { return released_units_.load(std::memory_order_acquire); }

 private:
  struct Stretch {
    std::uint64_t end;
    bool held;
  };
  void release_front() noexcept;
  void publish(std::uint64_t position) noexcept;

  std::shared_ptr<links::RegionLink> region_;
  RingView ring_;
  std::uint32_t generation_;
  mutable std::mutex mutex_;
  std::deque<Stretch> stretches_;  // in the order of the ring; the front one is held
  std::uint64_t first_number_{0};  // of stretches_.front()
  std::uint64_t released_{0};      // up to where room was given back
  std::atomic<std::uint32_t> released_units_{0};
};

// Used by one thread at a time (the session's lock of the incoming half), but for two calls that touch nothing of it but what
// is atomic: released_units(), which puts ask for, and announce(), which each side that is about to sleep makes for itself.
class RingReader {
 public:
  // `handles` (borrowed) carries those of messages; null: they have none. `copies`: messages are private copies, never views.
  RingReader(std::shared_ptr<links::RegionLink> region, unsigned ring, std::size_t max_message, RingHandles* handles = nullptr,
             bool copies = false);

  // The next message (a view into the ring, or assembled from pieces) or control word; would_block: nothing is there.
  // limit_reached: handles of the next message could not be opened here, and are lost.
  Result<Incoming> take();

  // Counts messages as handed to the caller, and tells a producer that asks.
  void note_taken(std::uint32_t messages) noexcept;

  // True if messages that are still held take the room that the producer waits for: nothing will come until one is let go.
  [[nodiscard]] bool is_holding_up() const noexcept;

  // Announces that this end is about to sleep until something comes. The caller must look again, and only then sleep.
  void announce() noexcept;

  [[nodiscard]] std::uint32_t released_units() const noexcept { return hold_->released_units(); }

 private:
  [[nodiscard]] Result<void> step_over(const RecordHeader& header, std::uint64_t end);
  Result<Incoming> take_record(const RecordHeader& header, std::uint64_t end);
  Result<std::vector<links::Descriptor>> take_handles(const RecordHeader& header);

  std::shared_ptr<links::RegionLink> region_;
  RingView ring_;
  std::shared_ptr<RingHold> hold_;
  const bool copies_;
  Assembly assembly_;
  std::uint64_t position_{0};
  std::uint32_t taken_{0};
  RingHandles* handles_;       // null: messages have none
  std::uint32_t messages_{0};  // whose last record was taken off the ring
};

}  // namespace sluice::inline v0::core
