// Deadline: counts from its construction, and no duration makes it overflow.
#include <sluice/deadline.hpp>

#include <cmath>
#include <limits>
#include <thread>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using sluice::Deadline;
using Clock = Deadline::Clock;

TEST(Deadline, NeverNeverPasses) {
  const Deadline never = Deadline::never();
  EXPECT_TRUE(never.is_never());
  EXPECT_FALSE(never.is_now());
  EXPECT_FALSE(never.has_passed());
  EXPECT_EQ(never.remaining(), Clock::duration::max());
}

TEST(Deadline, NowHasPassed) {
  const Deadline now = Deadline::now();
  EXPECT_TRUE(now.is_now());
  EXPECT_FALSE(now.is_never());
  EXPECT_TRUE(now.has_passed());
  EXPECT_EQ(now.remaining(), Clock::duration::zero());
}

TEST(Deadline, ZeroHasPassedButIsNotNow) {
  const Deadline zero = 0s;
  EXPECT_FALSE(zero.is_now()) << "a call with it answers timed_out, not would_block";
  EXPECT_TRUE(zero.has_passed());
  EXPECT_EQ(zero.remaining(), Clock::duration::zero());
}

TEST(Deadline, NegativeDurationsHavePassed) {
  for (const Deadline deadline :
       {Deadline{-1ns}, Deadline{-1h}, Deadline{std::chrono::hours::min()}, Deadline{Clock::duration::min()},
        Deadline{std::chrono::duration<double>(-1e300)}, Deadline{std::chrono::duration<float>(-INFINITY)}}) {
    EXPECT_TRUE(deadline.has_passed());
    EXPECT_FALSE(deadline.is_now());
    EXPECT_FALSE(deadline.is_never());
    EXPECT_EQ(deadline.remaining(), Clock::duration::zero());
  }
}

TEST(Deadline, DurationsBeyondTheClockAreNever) {
  for (const Deadline deadline :
       {Deadline{std::chrono::hours::max()}, Deadline{std::chrono::seconds::max()}, Deadline{Clock::duration::max()},
        Deadline{std::chrono::duration<double>(1e300)}, Deadline{std::chrono::duration<float>(INFINITY)},
        Deadline{std::chrono::duration<long, std::ratio<31'556'952>>(1'000'000)}}) {
    EXPECT_TRUE(deadline.is_never());
    EXPECT_FALSE(deadline.has_passed());
  }
}

TEST(Deadline, NotANumberHasPassed) { EXPECT_TRUE(Deadline{std::chrono::duration<double>(std::nan(""))}.has_passed()); }

TEST(Deadline, LongButFiniteDurationsStayFinite) {
  const Deadline century = std::chrono::years{100};
  EXPECT_FALSE(century.is_never());
  EXPECT_FALSE(century.has_passed());
  EXPECT_GT(century.remaining(), std::chrono::years{99});
  EXPECT_LE(century.remaining(), std::chrono::years{100});
}

TEST(Deadline, CountsFromItsConstruction) {
  const auto before = Clock::now();
  const Deadline deadline = 1h;
  const auto after = Clock::now();
  EXPECT_GE(deadline.time_point(), before + 1h);
  EXPECT_LE(deadline.time_point(), after + 1h);
  EXPECT_FALSE(deadline.has_passed());
  EXPECT_LE(deadline.remaining(), 1h);
}

TEST(Deadline, FractionsOfATickCountWhole) {
  const Deadline deadline = std::chrono::duration<double, std::nano>(0.25);
  EXPECT_GT(deadline.time_point(), Clock::time_point{});
  EXPECT_FALSE(deadline.is_now());
}

TEST(Deadline, ATimePointIsTakenAsItIs) {
  const auto when = Clock::now() + 5s;
  EXPECT_EQ(Deadline{when}.time_point(), when);
  EXPECT_TRUE(Deadline{Clock::time_point::min()}.is_now());
  EXPECT_TRUE(Deadline{Clock::time_point::max()}.is_never());
  const Deadline long_ago{Clock::time_point::min() + 1ns};
  EXPECT_TRUE(long_ago.has_passed());
  EXPECT_EQ(long_ago.remaining(), Clock::duration::zero());
}

TEST(Deadline, PassesWhenItsTimeHasCome) {
  const Deadline deadline = 1ms;
  while (Clock::now() < deadline.time_point())
    std::this_thread::sleep_until(deadline.time_point());  // Windows: it may be early
  EXPECT_TRUE(deadline.has_passed());
  EXPECT_EQ(deadline.remaining(), Clock::duration::zero());
}

TEST(Deadline, TheEarlierOfTwo) {
  const Deadline soon = 1h;
  const Deadline late = 2h;
  EXPECT_EQ(soon.or_earlier(late).time_point(), soon.time_point());
  EXPECT_EQ(late.or_earlier(soon).time_point(), soon.time_point());
  EXPECT_TRUE(late.or_earlier(Deadline::now()).is_now());
  EXPECT_FALSE(Deadline::never().or_earlier(late).is_never());
}

}  // namespace
