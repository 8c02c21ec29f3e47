// The one place that waits, on Windows: what is ready, more than the system waits for at once, wake-ups, and what others see.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "links/alarm.hpp"
#include "links/waiter.hpp"
#include "unit/waitables.hpp"

namespace {

using namespace sluice;
using namespace std::chrono_literals;
using Clock = Deadline::Clock;
using sluice_test::is_readable;
using sluice_test::Lamp;

constexpr auto kPatience = 10s;
constexpr std::uint64_t kKey = 7;

class OsWaiter : public testing::Test {
 protected:
  // What one wait reports, or nothing.
  std::optional<links::Ready> wait(Deadline deadline) {
    std::array<links::Ready, 4> ready;
    const auto count = waiter_.wait(ready, deadline);
    EXPECT_TRUE(count);
    if (!count || *count == 0) return std::nullopt;
    EXPECT_EQ(*count, 1U);
    return ready[0];
  }

  links::Waiter waiter_{links::Waiter::create().value()};
  Lamp lamp_;
};

TEST_F(OsWaiter, IsLevelTriggeredForWhatWasAskedFor) {
  ASSERT_TRUE(waiter_.add(lamp_.waitable(), {.readable = true}, kKey));
  EXPECT_FALSE(wait(Deadline::now()));
  lamp_.light();
  for (int round = 0; round < 3; ++round) {
    const auto ready = wait(Deadline{kPatience});
    ASSERT_TRUE(ready);
    EXPECT_EQ(ready->key, kKey);
    EXPECT_TRUE(ready->readable);
    EXPECT_FALSE(ready->writable);
  }
  ASSERT_TRUE(waiter_.modify(lamp_.waitable(), {.writable = true}, kKey + 1));
  const auto ready = wait(Deadline::now());
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->key, kKey + 1);
  EXPECT_TRUE(ready->writable);
  waiter_.remove(lamp_.waitable());
  EXPECT_FALSE(wait(Deadline::now()));
}

TEST_F(OsWaiter, ADeadlineIsNeverMetEarly) {
  for (const auto span : {100us, 900us, 1500us, 20000us}) {
    const auto start = Clock::now();
    EXPECT_FALSE(wait(Deadline{start + span}));
    EXPECT_GE(Clock::now(), start + span);
  }
}

TEST_F(OsWaiter, AWakeUpIsReportedOnceAlsoIfItCameBefore) {
  waiter_.wake();
  waiter_.wake();
  const auto ready = wait(Deadline::never());
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->key, links::Waiter::kWoken);
  EXPECT_FALSE(wait(Deadline::now()));
  std::thread waker([this] { waiter_.wake(); });
  EXPECT_TRUE(wait(Deadline::never()));
  waker.join();
}

TEST_F(OsWaiter, WhatAnotherThreadRemovesIsNotWaitedForAnyMore) {
  ASSERT_TRUE(waiter_.add(lamp_.waitable(), {.readable = true}, kKey));
  std::thread removing([this] {
    std::this_thread::sleep_for(20ms);  // most probably it waits by then
    waiter_.remove(lamp_.waitable());
    lamp_.light();
    waiter_.wake();
  });
  const auto ready = wait(Deadline{kPatience});
  removing.join();
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->key, links::Waiter::kWoken);
  EXPECT_FALSE(wait(Deadline::now()));
}

// The system waits for 64 handles at once.
TEST_F(OsWaiter, HundredsAreWaitedFor) {
  constexpr std::size_t kMany = 200;
  std::vector<std::unique_ptr<Lamp>> lamps;
  for (std::size_t i = 0; i < kMany; ++i) {
    lamps.push_back(std::make_unique<Lamp>());
    ASSERT_TRUE(waiter_.add(lamps.back()->waitable(), {.readable = true}, i));
  }
  EXPECT_FALSE(wait(Deadline{5ms}));
  for (const std::size_t lit : {std::size_t{0}, std::size_t{63}, std::size_t{64}, kMany - 1}) {
    std::thread lighting([&] { lamps[lit]->light(); });
    for (int round = 0; round < 2; ++round) {
      const auto ready = wait(Deadline{kPatience});
      ASSERT_TRUE(ready) << lit;
      EXPECT_EQ(ready->key, lit);
    }
    lighting.join();
    waiter_.remove(lamps[lit]->waitable());
    EXPECT_FALSE(wait(Deadline::now())) << lit;
  }
}

TEST_F(OsWaiter, OthersSeeByItsWaitableWhatItWouldFind) {
  ASSERT_TRUE(waiter_.add(lamp_.waitable(), {.readable = true}, kKey));
  const auto seen = waiter_.waitable();
  EXPECT_FALSE(wait(Deadline::now())) << "takes back that it has only just been asked for";
  EXPECT_FALSE(is_readable(seen));
  waiter_.wake();
  EXPECT_TRUE(is_readable(seen));
  ASSERT_TRUE(wait(Deadline::now()));
  EXPECT_FALSE(is_readable(seen));
  lamp_.light();
  EXPECT_TRUE(is_readable(seen, kPatience));
  ASSERT_TRUE(wait(Deadline{kPatience}));
  EXPECT_TRUE(is_readable(seen, kPatience)) << "it still is";
  waiter_.remove(lamp_.waitable());
  EXPECT_FALSE(wait(Deadline::now()));
  EXPECT_FALSE(is_readable(seen));
}

TEST_F(OsWaiter, OneWaitsForAnother) {
  auto inner = links::Waiter::create().value();
  ASSERT_TRUE(inner.add(lamp_.waitable(), {.readable = true}, 1));
  ASSERT_TRUE(waiter_.add(inner.waitable(), {.readable = true}, kKey));
  std::array<links::Ready, 1> found;
  EXPECT_EQ(inner.wait(found, Deadline::now()).value(), 0U);
  EXPECT_FALSE(wait(Deadline{5ms}));
  lamp_.light();
  const auto ready = wait(Deadline{kPatience});
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->key, kKey);
  EXPECT_EQ(inner.wait(found, Deadline::now()).value(), 1U);
}

TEST_F(OsWaiter, AClosedHandleIsToldAndNotWaitedForForEver) {
  auto lamp = std::make_unique<Lamp>();
  ASSERT_TRUE(waiter_.add(lamp->waitable(), {.readable = true}, kKey));
  lamp.reset();
  std::array<links::Ready, 1> ready;
  const auto waited = waiter_.wait(ready, Deadline{kPatience});
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, Errc::misuse);
}

TEST(OsAlarm, RingsOnceItsTimeHasComeAndNotWhenItWasStopped) {
  auto alarm = links::Alarm::create().value();
  EXPECT_FALSE(is_readable(alarm.waitable()));
  alarm.set(5ms);
  EXPECT_TRUE(is_readable(alarm.waitable(), kPatience));
  EXPECT_TRUE(is_readable(alarm.waitable())) << "until it is set again";
  alarm.set(1h);
  EXPECT_FALSE(is_readable(alarm.waitable()));
  alarm.set(1ms);
  EXPECT_TRUE(is_readable(alarm.waitable(), kPatience));
  alarm.stop();
  EXPECT_FALSE(is_readable(alarm.waitable()));
}

}  // namespace
