// The shared region as docs/protocol.md draws it: golden bytes of its head, and where everything lies.
#include "core/ring_layout.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <new>

#include <gtest/gtest.h>

#include "unit/hex.hpp"

namespace {

using namespace sluice::core;
using sluice_test::hex;
using sluice_test::to_hex;

constexpr std::size_t kSmallest = 65'536;
constexpr std::string_view kGoldenHead =
    "53 4c 55 49 43 45 52 47"   //  0 magic "SLUICERG"
    "00 00 00 00"               //  8 layout version
    "00 00 01 00"               // 12 size of the head: 65536
    "00 00 01 00 00 00 00 00";  // 16 capacity of a ring: 65536

// A zeroed region with the smallest rings, aligned as a page is.
class Region {
 public:
  Region() : memory_(static_cast<std::byte*>(::operator new(kSize, std::align_val_t{kAlignment}))) {
    std::fill_n(memory_.get(), kSize, std::byte{0});
  }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {memory_.get(), kSize}; }

 private:
  static constexpr std::size_t kSize = 196'608;  // the head and two rings of 65'536
  static constexpr std::size_t kAlignment = 4096;
  struct Free {
    void operator()(std::byte* memory) const noexcept { ::operator delete(memory, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<std::byte, Free> memory_;
};

std::ptrdiff_t offset_of(const Region& region, const void* place) {
  return static_cast<const std::byte*>(place) - region.bytes().data();
}

TEST(RegionHead, HasTheGoldenBytes) {
  const Region region;
  write_head(region.bytes());
  EXPECT_EQ(to_hex(region.bytes().first(24)), to_hex(hex(kGoldenHead)));
  EXPECT_TRUE(std::ranges::all_of(region.bytes().subspan(24), [](std::byte byte) { return byte == std::byte{0}; }));
  EXPECT_TRUE(is_head_valid(region.bytes()));
}

TEST(RegionHead, EveryChangedByteIsRefused) {
  const Region region;
  write_head(region.bytes());
  for (std::size_t at = 0; at < 24; ++at) {
    for (unsigned flip = 1; flip <= 0xFF; ++flip) {
      region.bytes()[at] ^= static_cast<std::byte>(flip);
      EXPECT_FALSE(is_head_valid(region.bytes())) << at;
      region.bytes()[at] ^= static_cast<std::byte>(flip);
    }
  }
  EXPECT_TRUE(is_head_valid(region.bytes()));
}

TEST(RegionHead, AnEmptyRegionHasNone) { EXPECT_FALSE(is_head_valid(Region{}.bytes())); }

TEST(RegionLayout, LinesAndRingsLieWhereTheDocumentSays) {
  const Region region;
  const RingView first = ring_of(region.bytes(), 0);
  EXPECT_EQ(offset_of(region, first.consumer), 512);
  EXPECT_EQ(offset_of(region, first.consumer_bell), 640);
  EXPECT_EQ(offset_of(region, first.producer_bell), 768);
  EXPECT_EQ(offset_of(region, first.homes[0]), 4096);
  EXPECT_EQ(offset_of(region, first.homes[1]), 5120);
  EXPECT_EQ(offset_of(region, first.bytes), 65536);
  EXPECT_EQ(first.capacity, kSmallest);
  const RingView second = ring_of(region.bytes(), 1);
  EXPECT_EQ(offset_of(region, second.consumer), 896);
  EXPECT_EQ(offset_of(region, second.consumer_bell), 1024);
  EXPECT_EQ(offset_of(region, second.producer_bell), 1152);
  EXPECT_EQ(offset_of(region, second.homes[0]), 6144);
  EXPECT_EQ(offset_of(region, second.homes[1]), 7168);
  EXPECT_EQ(offset_of(region, second.bytes), 65536 + 65536);
  EXPECT_EQ(second.capacity, kSmallest);

  EXPECT_EQ(offset_of(region, &first.consumer->released), 512 + 0);
  EXPECT_EQ(offset_of(region, &first.consumer->taken), 512 + 4);
  EXPECT_EQ(offset_of(region, &first.consumer_bell->waits), 640 + 0);
  EXPECT_EQ(offset_of(region, &first.producer_bell->waits), 768 + 0);
  EXPECT_EQ(offset_of(region, &first.producer_bell->asks), 768 + 4);
}

TEST(RegionLayout, OnlyPowersOfTwoAreCapacities) {
  for (std::size_t capacity = kMinCapacity; capacity <= kMaxCapacity; capacity *= 2) {
    EXPECT_EQ(capacity_of(kRegionHead + 2 * capacity), capacity);
  }
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, kRegionHead, kRegionHead + kMinCapacity, region_size(kMinCapacity) - 1,
        region_size(kMinCapacity) + 1, region_size(kMinCapacity) + 8, kRegionHead + 6 * kMinCapacity,
        region_size(kMaxCapacity) + 1, kRegionHead + 4 * kMaxCapacity, std::numeric_limits<std::size_t>::max()}) {
    EXPECT_EQ(capacity_of(size), 0U) << size;
  }
}

}  // namespace
