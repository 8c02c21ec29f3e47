// The contract of RegionLink (links/region_link.hpp), for every implementation.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <span>
#include <thread>

#include "support/sanitizers.hpp"
#include "unit/links_pair.hpp"

namespace sluice::inline v0::test {
namespace {

constexpr std::size_t kCapacity = std::size_t{256} << 10;

class RegionContract : public testing::TestWithParam<Subject> {
 protected:
  void SetUp() override {
    auto met = meet(GetParam(), kCapacity);
    ASSERT_TRUE(is_ok(met));
    ends_ = *std::move(met);
  }
  [[nodiscard]] links::RegionLink& near() const { return ends_.connecting.region(); }
  [[nodiscard]] links::RegionLink& far() const { return ends_.listening.region(); }

  Ends ends_;
};

std::uint32_t& number_at(const links::RegionLink& link, std::size_t offset) {
  return *reinterpret_cast<std::uint32_t*>(link.memory().data() + offset);
}

TEST_P(RegionContract, BothEndsHaveTheSameZeroedMemory) {
  EXPECT_EQ(near().memory().size(), links::region_size(kCapacity));
  EXPECT_EQ(far().memory().size(), links::region_size(kCapacity));
  EXPECT_TRUE(std::ranges::all_of(near().memory(), [](std::byte byte) { return byte == std::byte{0}; }));
  near().memory()[5] = std::byte{1};
  far().memory()[links::kRegionHead + 5] = std::byte{2};
  EXPECT_EQ(far().memory()[5], std::byte{1});
  EXPECT_EQ(near().memory()[links::kRegionHead + 5], std::byte{2});
}

TEST_P(RegionContract, LinesOfDifferentOwnersCanBeKeptApart) {
  constexpr std::uintptr_t kLineDistance = 128;
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(near().memory().data()) % kLineDistance, 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(far().memory().data()) % kLineDistance, 0U);
}

TEST_P(RegionContract, TheListenersSideIsTheMaker) {
  EXPECT_TRUE(far().is_maker());
  EXPECT_FALSE(near().is_maker());
}

TEST_P(RegionContract, ACapacityIsRoundedUpToWhatARegionCanHave) {
  struct Case {
    std::size_t asked;
    std::size_t given;
  };
  for (const auto& [asked, given] : {Case{1, links::kMinRingCapacity}, Case{links::kMinRingCapacity, links::kMinRingCapacity},
                                     Case{100'000, std::size_t{128} << 10}, Case{std::size_t{8} << 20, std::size_t{8} << 20}}) {
    const auto met = meet(GetParam(), asked);
    ASSERT_TRUE(is_ok(met));
    EXPECT_EQ(met->listening.region().memory().size(), links::region_size(given)) << asked;
    EXPECT_EQ(met->connecting.region().memory().size(), links::region_size(given)) << asked;
  }
}

TEST_P(RegionContract, WithoutAWishTheCapacityIsTheMechanismsOwn) {
  const auto met = meet(GetParam(), 0);
  ASSERT_TRUE(is_ok(met));
  const std::size_t capacity = (met->listening.region().memory().size() - links::kRegionHead) / 2;
  EXPECT_TRUE(std::has_single_bit(capacity));
  EXPECT_GE(capacity, links::kMinRingCapacity);
}

TEST_P(RegionContract, ACapacityBeyondTheMostIsALimit) {
  const auto met = meet(GetParam(), links::kMaxRingCapacity + 1);
  ASSERT_TRUE(fails_with(Errc::limit_reached, met));
  EXPECT_EQ(met.error().step, Step::make_region);
}

TEST_P(RegionContract, ARungBellIsReadableUntilItIsSilenced) {
  EXPECT_TRUE(stays_unreadable(near().bell()));
  EXPECT_TRUE(stays_unreadable(far().bell()));
  near().ring();
  EXPECT_TRUE(becomes_readable(far().bell()));
  EXPECT_TRUE(becomes_readable(far().bell()));
  EXPECT_TRUE(stays_unreadable(near().bell()));
  EXPECT_TRUE(far().silence());
  EXPECT_TRUE(stays_unreadable(far().bell()));
  far().ring();
  EXPECT_TRUE(becomes_readable(near().bell()));
  EXPECT_TRUE(stays_unreadable(far().bell()));
}

TEST_P(RegionContract, RingingManyTimesBlocksNobodyAndIsSilencedOnce) {
  for (int i = 0; i < 100'000; ++i) near().ring();
  EXPECT_TRUE(becomes_readable(far().bell()));
  EXPECT_TRUE(far().silence());
  EXPECT_TRUE(stays_unreadable(far().bell()));
  EXPECT_TRUE(far().silence());
  near().ring();
  EXPECT_TRUE(becomes_readable(far().bell()));
}

TEST_P(RegionContract, SeveralWaitersThatSleepAreWokenByABell) {
  std::vector<std::thread> waiters;
  for (int i = 0; i < 3; ++i) waiters.emplace_back([&] { EXPECT_TRUE(becomes_readable(far().bell())); });
  near().ring();
  for (auto& waiter : waiters) waiter.join();
}

TEST_P(RegionContract, AllOfTheMemoryCanBeReserved) {
  const std::size_t ring_of_near = links::kRegionHead;
  const std::size_t ring_of_far = links::kRegionHead + kCapacity;
  for (std::size_t done = 0; done < kCapacity; done += kCapacity / 4) {
    EXPECT_TRUE(is_ok(near().reserve(ring_of_near + done, kCapacity / 4)));
    EXPECT_TRUE(is_ok(far().reserve(ring_of_far + done, kCapacity / 4)));
  }
  std::ranges::fill(near().memory(), std::byte{1});
}

TEST_P(RegionContract, TheMemoryOutlivesThePeerAndTheMeeting) {
  number_at(near(), links::kRegionHead) = 7;
  ends_.connecting = End{};
  EXPECT_EQ(number_at(far(), links::kRegionHead), 7U);
  far().ring();
  const auto link = std::get<2>(ends_.listening.link);
  ends_.listening = End{};
  EXPECT_EQ(number_at(*link, links::kRegionHead), 7U);
  number_at(*link, links::kRegionHead) = 8;
}

TEST_P(RegionContract, TheMeetingEndsWithThePeer) {
  auto& meeting = *std::get<0>(ends_.listening.meeting_link);
  EXPECT_TRUE(stays_unreadable(meeting.incoming()));
  ends_.connecting = End{};
  ASSERT_TRUE(becomes_readable(meeting.incoming()));
  std::array<std::byte, 8> bytes{};
  const std::span<std::byte> room{bytes};
  const auto end = meeting.read(std::span{&room, 1});
  ASSERT_TRUE(is_ok(end));
  EXPECT_EQ(*end, 0U);
}

// Hands `rounds` values over in the region, each in plain memory behind a flag. With acquire and release that is no race; with
// relaxed operations it is one, which only a race detector sees.
void hand_over(const links::RegionLink& from, const links::RegionLink& to, std::uint32_t rounds, std::memory_order store,
               std::memory_order load) {
  constexpr std::size_t kFlag = links::kRegionHead;
  constexpr std::size_t kValue = links::kRegionHead + 128;
  std::thread taker([&] {
    for (std::uint32_t i = 1; i <= rounds; ++i) {
      std::atomic_ref flag{number_at(to, kFlag)};
      while (flag.load(load) != i) std::this_thread::yield();
      EXPECT_EQ(number_at(to, kValue), i);
      flag.store(0, store);
    }
  });
  for (std::uint32_t i = 1; i <= rounds; ++i) {
    std::atomic_ref flag{number_at(from, kFlag)};
    while (flag.load(load) != 0) std::this_thread::yield();
    number_at(from, kValue) = i;
    flag.store(i, store);
  }
  taker.join();
}

TEST_P(RegionContract, WhatIsPublishedWithReleaseIsSeenWithAcquire) {
  hand_over(near(), far(), 2000, std::memory_order_release, std::memory_order_acquire);
}

INSTANTIATE_TEST_SUITE_P(Links, RegionContract, testing::ValuesIn(subjects(Shape::region)), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RegionContract);

#if SLUICE_TEST_UNDER_TSAN
// The broken twin of the test above: a detector that doesn't report this one would report nothing in a ring either. It must be
// one mapping for both ends, which inproc has and two mappings of a shared object don't.
TEST(RegionRace, ARelaxedPublicationIsReportedByThreadSanitizer) {
  const auto all = subjects(Shape::region);
  if (all.empty() || meets_in_lobby(all.front())) GTEST_SKIP() << "inproc is not built in";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        const auto met = meet(all.front());
        hand_over(met->connecting.region(), met->listening.region(), 100, std::memory_order_relaxed, std::memory_order_relaxed);
        std::exit(0);  // ThreadSanitizer turns this into its own exit code when it has reported something
      },
      "data race");
}
#endif

}  // namespace
}  // namespace sluice::inline v0::test
