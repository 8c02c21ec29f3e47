// What `sluice bench` checks and computes: that its checker finds each kind of fault, and that its quantiles are exact.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "bench_check.hpp"
#include "bench_samples.hpp"

namespace {

using tool::bench::Checker;
using tool::bench::has_content;
using tool::bench::not_two_processes;
using tool::bench::Samples;
using tool::bench::whole_every;
using tool::bench::write_content;

constexpr std::uint64_t kWholeEvery = 4;

std::vector<std::byte> message(std::size_t size, std::uint64_t sequence) {
  std::vector<std::byte> bytes(size, std::byte{0xEE});
  write_content(bytes, sequence, sequence % kWholeEvery == 0);
  return bytes;
}

TEST(BenchContent, EveryByteOfAWholeMessageIsCompared) {
  for (const std::size_t size : {8U, 9U, 16U, 17U, 31U, 32U, 33U, 40U, 63U, 64U, 1000U}) {
    auto bytes = message(size, 8);
    ASSERT_TRUE(has_content(bytes, 8, true)) << size;
    for (std::size_t at = 0; at < size; ++at) {
      bytes[at] ^= std::byte{1};
      EXPECT_FALSE(has_content(bytes, 8, true)) << size << " bytes, wrong at " << at;
      bytes[at] ^= std::byte{1};
    }
  }
}

TEST(BenchContent, TheEndsOfEveryMessageAreCompared) {
  for (const std::size_t size : {8U, 15U, 16U, 24U, 31U, 32U, 33U, 47U, 64U, 1000U}) {
    auto bytes = message(size, 5);
    ASSERT_TRUE(has_content(bytes, 5, false)) << size;
    for (std::size_t at = 0; at < size; ++at) {
      if (at >= 16 && at + 16 < size) continue;
      bytes[at] ^= std::byte{0x80};
      EXPECT_FALSE(has_content(bytes, 5, false)) << size << " bytes, wrong at " << at;
      bytes[at] ^= std::byte{0x80};
    }
  }
}

// Without the messages that are compared whole: the window alone comes by every byte.
TEST(BenchContent, AWrongByteIsFoundWithinARoundOfTheWindow) {
  for (const std::size_t size : {97U, 160U, 257U, 1000U, 4096U, 20'001U, 65'536U}) {
    const std::size_t bound = 2 * (size / 64 + 1);  // messages; the places are rounded up to a power of two
    const std::size_t step = size > 5000 ? 61 : 1;
    for (const std::uint64_t first : {0U, 5U, 1'000'003U}) {
      std::vector<bool> found(size);
      for (std::uint64_t sequence = first; sequence < first + bound; ++sequence) {
        std::vector<std::byte> bytes(size, std::byte{0xEE});
        write_content(bytes, sequence, false);
        ASSERT_TRUE(has_content(bytes, sequence, false)) << size << " bytes, number " << sequence;
        for (std::size_t at = 0; at < size; at += step) {
          if (found[at]) continue;
          bytes[at] ^= std::byte{1};
          found[at] = !has_content(bytes, sequence, false);
          bytes[at] ^= std::byte{1};
        }
      }
      for (std::size_t at = 0; at < size; at += step)
        EXPECT_TRUE(found[at]) << size << " bytes, wrong at " << at << ", from " << first;
    }
  }
}

TEST(BenchContent, SmallMessagesAreAlwaysWhole) {
  EXPECT_EQ(whole_every(8, false), 1U);
  EXPECT_EQ(whole_every(64, false), 1U);
  EXPECT_EQ(whole_every(256, false), 1U);
  EXPECT_EQ(whole_every(257, false), tool::bench::kWholeEvery);
  EXPECT_EQ(whole_every(65536, false), tool::bench::kWholeEvery);
  EXPECT_EQ(whole_every(65536, true), 1U);
}

TEST(BenchContent, AMessageOfAnotherNumberIsNoMatch) {
  EXPECT_FALSE(has_content(message(64, 5), 6, false));
  auto older = message(64, 4);
  const std::uint64_t claimed = 8;  // the number alone is not enough
  std::ranges::copy(std::as_bytes(std::span(&claimed, 1)), older.begin());
  EXPECT_FALSE(has_content(older, 8, true));
}

TEST(BenchChecker, RightMessagesAreNoErrors) {
  Checker checker(64, kWholeEvery);
  for (std::uint64_t sequence = 0; sequence < 10; ++sequence) checker.take(message(64, sequence));
  EXPECT_EQ(checker.taken(), 10U);
  EXPECT_EQ(checker.whole(), 3U);
  EXPECT_EQ(checker.errors(), 0U);
}

TEST(BenchChecker, EachFaultIsCountedOnce) {
  Checker checker(64, kWholeEvery);
  checker.take(message(64, 0));
  checker.take(message(64, 2));  // one is missing
  EXPECT_EQ(checker.errors(), 1U);
  checker.take(message(64, 3));
  checker.take(message(64, 3));  // one came twice
  EXPECT_EQ(checker.errors(), 2U);
  auto wrong = message(64, 4);
  wrong[32] ^= std::byte{1};  // in the middle of one that is compared whole
  checker.take(wrong);
  EXPECT_EQ(checker.errors(), 3U);
  wrong = message(64, 5);
  wrong.back() ^= std::byte{1};
  checker.take(wrong);
  EXPECT_EQ(checker.errors(), 4U);
  checker.take(message(63, 6));  // cut off
  EXPECT_EQ(checker.errors(), 5U);
  checker.take(message(64, 7));
  EXPECT_EQ(checker.errors(), 5U);
  EXPECT_EQ(checker.taken(), 8U);
}

// A byte of the middle that is always wrong, in messages none of which is compared whole.
TEST(BenchChecker, AWrongByteInTheMiddleIsFoundSoon) {
  constexpr std::size_t kSize = 1000;
  constexpr std::uint64_t kEvery = 64;
  for (std::size_t at = 0; at < kSize; ++at) {
    Checker checker(kSize, kEvery);
    for (std::uint64_t sequence = 0; sequence <= 32; ++sequence) {
      std::vector<std::byte> bytes(kSize);
      write_content(bytes, sequence, checker.is_whole(sequence));
      if (!checker.is_whole(sequence)) bytes[at] ^= std::byte{1};
      checker.take(bytes);
    }
    EXPECT_GE(checker.errors(), 1U) << at;
  }
}

TEST(BenchProcesses, OneProcessIsRefused) {
  EXPECT_EQ(not_two_processes(10, 11, 11), std::nullopt);
  EXPECT_EQ(not_two_processes(10, 11, std::nullopt), std::nullopt);
  EXPECT_TRUE(not_two_processes(10, 10, std::nullopt));
  EXPECT_TRUE(not_two_processes(10, 11, 10)) << "the system says it is us";
  EXPECT_TRUE(not_two_processes(10, 11, 12)) << "the system says it is somebody else";
}

TEST(BenchSamples, QuantilesAreByNearestRank) {
  Samples samples(1000);
  for (std::int64_t duration = 1000; duration > 0; --duration) samples.add(duration);
  EXPECT_TRUE(samples.is_full());
  EXPECT_EQ(samples.quantile(0), 1);
  EXPECT_EQ(samples.quantile(0.5), 500);
  EXPECT_EQ(samples.quantile(0.99), 990);
  EXPECT_EQ(samples.quantile(0.999), 999);
  EXPECT_EQ(samples.quantile(1), 1000);
  EXPECT_DOUBLE_EQ(samples.mean(), 500.5);
}

TEST(BenchSamples, NoneAndOneAndTooMany) {
  Samples samples(1);
  EXPECT_EQ(samples.quantile(0.5), 0);
  EXPECT_DOUBLE_EQ(samples.mean(), 0);
  samples.add(7);
  samples.add(9);  // beyond what it keeps
  EXPECT_EQ(samples.count(), 1U);
  EXPECT_EQ(samples.quantile(0), 7);
  EXPECT_EQ(samples.quantile(0.999), 7);
}

}  // namespace
