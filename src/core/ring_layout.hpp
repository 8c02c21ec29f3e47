// The shared region, as both ends see it. Every number is little-endian. Each line is written by the end that it is named
// after; the other one does no more than set `waits` and `asks` back to 0, before it rings. Lines are 128 bytes apart
// (adjacent-line prefetch; Apple silicon).
//
//        0  magic "SLUICERG"      8   }
//        8  layout version        4   }  written by the maker before the region is handed over,
//       12  size of this head     4   }  then by nobody
//       16  capacity of a ring    8   }
//      512  ring 0, consumer's line   }
//      640  ring 0, consumer's bell   }
//      768  ring 0, producer's bell   }  ring 0 is written by the connecting side and read by the listener's,
//      896  ring 1, consumer's line   }  ring 1 the other way round
//     1024  ring 1, consumer's bell   }
//     1152  ring 1, producer's bell   }
//     4096  ring 0, two home slots of 1024 bytes
//     6144  ring 1, two home slots
//    65536  ring 0, `capacity` bytes
//    65536 + capacity  ring 1
//
//   consumer's line   0 released       4   units of 8 bytes, modulo 2^32: up to where the producer may write again
//                     4 taken          4   messages handed to the caller, modulo 2^32
//   consumer's bell   0 waits          4   1: the consumer sleeps or is about to: set to 0 and ring its bell, after publishing
//   producer's bell   0 waits          4   1: the producer sleeps until room is released: set to 0 and ring its bell
//                     4 asks           4   1: the producer sleeps until `taken` moves (flush): the same
//
// Each end looks at the other's bell after every message, and nobody writes there who doesn't sleep: so the bells have lines of
// their own, which stay in both caches, and what the consumer counts has another, which stays in its.
//
// A ring is a sequence of records, each aligned to 8 bytes: header (8), payload, padding. The header behind the last record
// is zero. A record never wraps: where it doesn't fit, a filler ends the lap and the next record is at offset 0.
//
// Small messages of which each is answered before the next one is sent need no ring, and go faster through the same few cache
// lines: a record whose header says `home` is followed by one in a home slot, the one that was not used last. Such a record
// takes one unit of the ring all the same, unused, so that its release is counted as any other's. What is in a slot from before
// needn't be zeroed: the bit `turn` in the header, 1 at the first use of a slot, 0 at the second and so on, tells old from new.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/record.hpp"
#include "links/region_link.hpp"

namespace sluice::inline v0::core {

// Both ends are on one machine, and every system that Sluice knows is little-endian.
static_assert(std::endian::native == std::endian::little, "the shared region is little-endian: add conversions here");
static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free && std::atomic_ref<std::uint32_t>::is_always_lock_free);

using links::kFirstStretch;
using links::kRegionHead;
using links::region_size;
inline constexpr std::size_t kMinCapacity = links::kMinRingCapacity;
inline constexpr std::size_t kMaxCapacity = links::kMaxRingCapacity;
inline constexpr std::uint32_t kRegionVersion = 0;
inline constexpr std::size_t kLineDistance = 128;
inline constexpr std::size_t kCacheLine = 64;  // of most processors: for hints alone

struct RegionHead {
  char magic[8];
  std::uint32_t version;
  std::uint32_t head_size;
  std::uint64_t capacity;
};
static_assert(sizeof(RegionHead) == 24 && offsetof(RegionHead, capacity) == 16);

struct ConsumerLine {
  std::uint32_t released;
  std::uint32_t taken;
};
static_assert(offsetof(ConsumerLine, taken) == 4);

struct ConsumerBell {
  std::uint32_t waits;
};

struct ProducerBell {
  std::uint32_t waits;
  std::uint32_t asks;
};
static_assert(offsetof(ProducerBell, asks) == 4);

inline constexpr std::size_t kFirstLine = 512;
[[nodiscard]] constexpr std::size_t consumer_line_at(unsigned ring) noexcept {
  return kFirstLine + std::size_t{ring} * 3 * kLineDistance;
}
[[nodiscard]] constexpr std::size_t consumer_bell_at(unsigned ring) noexcept { return consumer_line_at(ring) + kLineDistance; }
[[nodiscard]] constexpr std::size_t producer_bell_at(unsigned ring) noexcept { return consumer_bell_at(ring) + kLineDistance; }
static_assert(consumer_line_at(1) == 896 && consumer_bell_at(1) == 1024 && producer_bell_at(1) == 1152);

inline constexpr std::size_t kFirstHome = 4096;
inline constexpr std::size_t kHomeSize = 1024;  // of a slot: a header and its payload
inline constexpr unsigned kHomes = 2;           // slots of a ring
[[nodiscard]] constexpr std::size_t home_at(unsigned ring, unsigned slot) noexcept {
  return kFirstHome + (std::size_t{ring} * kHomes + slot) * kHomeSize;
}
static_assert(home_at(1, 0) == 6144 && home_at(2, 0) <= kRegionHead);

[[nodiscard]] constexpr std::size_t ring_at(unsigned ring, std::size_t capacity) noexcept {
  return kRegionHead + ring * capacity;
}

// The capacity of a region of this size; 0 if no region has it.
[[nodiscard]] constexpr std::size_t capacity_of(std::size_t region) noexcept {
  if (region < region_size(kMinCapacity) || region > region_size(kMaxCapacity)) return 0;
  const std::size_t capacity = (region - kRegionHead) / 2;
  return std::has_single_bit(capacity) && region_size(capacity) == region ? capacity : 0;
}

// One ring, seen from one end: where its bytes, its lines and its home slots are. Borrowed from the region.
struct RingView {
  std::byte* bytes{nullptr};
  std::size_t capacity{0};
  std::size_t region_offset{0};  // of bytes, in the region
  ConsumerLine* consumer{nullptr};
  ConsumerBell* consumer_bell{nullptr};
  ProducerBell* producer_bell{nullptr};
  std::array<std::byte*, kHomes> homes{};
};

[[nodiscard]] inline RingView ring_of(std::span<std::byte> region, unsigned ring) noexcept {
  const std::size_t capacity = capacity_of(region.size());
  RingView view;
  view.bytes = region.data() + ring_at(ring, capacity);
  view.capacity = capacity;
  view.region_offset = ring_at(ring, capacity);
  view.consumer = reinterpret_cast<ConsumerLine*>(region.data() + consumer_line_at(ring));
  view.consumer_bell = reinterpret_cast<ConsumerBell*>(region.data() + consumer_bell_at(ring));
  view.producer_bell = reinterpret_cast<ProducerBell*>(region.data() + producer_bell_at(ring));
  for (unsigned slot = 0; slot < kHomes; ++slot) view.homes[slot] = region.data() + home_at(ring, slot);
  return view;
}

// Atomic access to one number of the shared region.
[[nodiscard]] inline std::atomic_ref<std::uint32_t> shared(std::uint32_t& number) noexcept { return std::atomic_ref{number}; }
[[nodiscard]] inline std::atomic_ref<std::uint64_t> header_at(std::byte* place) noexcept {
  return std::atomic_ref{*reinterpret_cast<std::uint64_t*>(place)};
}

inline constexpr std::size_t kUnit = 8;      // records are aligned to it; positions travel in it
inline constexpr std::size_t kHomeStep = 8;  // what a record in a home slot takes of the ring
[[nodiscard]] constexpr std::size_t aligned(std::size_t size) noexcept { return (size + kUnit - 1) & ~(kUnit - 1); }

// Where the next record of a ring is looked for, and what its header has to be to be there: as one word, so that any thread may
// look. Default: nowhere.
class Spot {
 public:
  Spot() = default;
  [[nodiscard]] static Spot in_ring(std::byte* place) noexcept { return Spot{place}; }
  // The slot of the use with this number, counted from 0 over both.
  [[nodiscard]] static Spot at_home(const RingView& ring, std::uint32_t use) noexcept {
    return Spot{ring.homes[use % kHomes] + kHome + ((use / kHomes) % 2 == 0 ? kTurn : 0)};
  }

  [[nodiscard]] bool is_home() const noexcept { return (marks() & kHome) != 0; }
  [[nodiscard]] std::byte* place() const noexcept { return marked_ - marks(); }
  // What a header has here besides what it says.
  [[nodiscard]] std::uint64_t turn() const noexcept { return (marks() & kTurn) != 0 ? kTurnBit : 0; }
  // Whether this is the header of a record that is here, and not what was here before.
  [[nodiscard]] bool is_header(std::uint64_t packed) const noexcept {
    return is_home() ? (packed & kTurnBit) == turn() : packed != 0;
  }

 private:
  // The marks are how many bytes of the header, which is aligned to a unit, lie before `marked_`.
  static constexpr std::size_t kHome = 1;
  static constexpr std::size_t kTurn = 2;
  static_assert((kHome | kTurn) < kUnit);
  explicit Spot(std::byte* marked) noexcept : marked_(marked) {}
  [[nodiscard]] std::size_t marks() const noexcept { return reinterpret_cast<std::uintptr_t>(marked_) & (kHome | kTurn); }

  std::byte* marked_{nullptr};
};
static_assert(std::atomic<Spot>::is_always_lock_free);

// The head of a fresh (zero) region, written by its maker.
inline void write_head(std::span<std::byte> region) noexcept {
  const RegionHead head{{'S', 'L', 'U', 'I', 'C', 'E', 'R', 'G'}, kRegionVersion, kRegionHead, capacity_of(region.size())};
  std::memcpy(region.data(), &head, sizeof(head));
}

// Whether the head is that of a region of this size. Read once; nothing in it is used afterwards.
[[nodiscard]] inline bool is_head_valid(std::span<const std::byte> region) noexcept {
  RegionHead head;
  std::memcpy(&head, region.data(), sizeof(head));
  return std::memcmp(head.magic, "SLUICERG", sizeof(head.magic)) == 0 && head.version == kRegionVersion &&
         head.head_size == kRegionHead && head.capacity == capacity_of(region.size());
}

}  // namespace sluice::inline v0::core
