// RegionLink: memory that both ends have mapped, and a doorbell at each end. What lies in the memory is the ring's business
// (core/ring_layout.hpp).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include <sluice/result.hpp>

#include "links/waiter.hpp"

namespace sluice::inline v0::links {

// What a region with rings of `capacity` bytes measures: its head, and a ring each way. A capacity is a power of two.
inline constexpr std::size_t kRegionHead = std::size_t{64} << 10;  // pages are 4, 16 or 64 KiB
inline constexpr std::size_t kMinRingCapacity = std::size_t{64} << 10;
inline constexpr std::size_t kMaxRingCapacity = std::size_t{1} << 30;
// Of each ring: what the mechanism backs with memory when the region is made or taken, so that a channel that is made can carry
// something. It is the smallest ring; the ring reserves the rest as its laps reach it.
inline constexpr std::size_t kFirstStretch = kMinRingCapacity;
[[nodiscard]] constexpr std::size_t region_size(std::size_t capacity) noexcept { return kRegionHead + 2 * capacity; }

// The memory stays mapped as long as the link lives; received messages keep the link alive. ring() may be called by any
// thread, silence() by each that the bell woke, also at once; reserve() by one thread at a time.
class RegionLink {
 public:
  virtual ~RegionLink() = default;

  // All of the region, from its head on; the same size at both ends. Anything in it may change at any time.
  [[nodiscard]] virtual std::span<std::byte> memory() const = 0;

  // True at the end that made the region (the listener's): it writes ring 1 and reads ring 0.
  [[nodiscard]] virtual bool is_maker() const = 0;

  // Backs a stretch of the region with memory before it is written for the first time, so that a full file system is an
  // error here and not a SIGBUS later (fallocate(2)). limit_reached: there is none left.
  virtual Result<void> reserve(std::size_t offset, std::size_t size) = 0;

  // Rings the peer's doorbell. Never blocks: a full one already rings.
  void ring() noexcept {
    // relaxed: a counter. In one step, for a message that is let go rings on any thread; beside a system call that is nothing.
    rings_sent_.fetch_add(1, std::memory_order_relaxed);
    ring_bell();
  }
  // How often that was, for statistics.
  [[nodiscard]] std::uint64_t rings_sent() const noexcept { return rings_sent_.load(std::memory_order_relaxed); }
  // Silences our own doorbell, so that bell() becomes readable only by the next ring. False: the other end of the link is gone.
  [[nodiscard]] virtual bool silence() noexcept = 0;
  // Our own doorbell: readable once the peer has rung it, or is gone.
  [[nodiscard]] virtual Waitable bell() const = 0;

 private:
  // What ring() does.
  virtual void ring_bell() noexcept = 0;

  std::atomic<std::uint64_t> rings_sent_{0};
};

}  // namespace sluice::inline v0::links
