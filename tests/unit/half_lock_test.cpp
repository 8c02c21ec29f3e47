// The lock of a half and the mark of a call in it, in one word.
#include <array>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "core/half_lock.hpp"

namespace {

using sluice::core::HalfLock;

TEST(HalfLock, OneCallAtATime) {
  HalfLock half;
  EXPECT_FALSE(half.is_busy());
  EXPECT_TRUE(half.enter());
  EXPECT_TRUE(half.is_busy());
  EXPECT_FALSE(half.enter());
  EXPECT_TRUE(half.is_busy()) << "who was refused changes nothing";
  half.leave();
  EXPECT_FALSE(half.is_busy());
  EXPECT_TRUE(half.enter());
}

TEST(HalfLock, TheLockAndTheCallHaveNothingToDoWithEachOther) {
  HalfLock half;
  ASSERT_TRUE(half.enter());
  EXPECT_TRUE(half.try_lock());
  EXPECT_FALSE(half.try_lock());
  half.leave();
  EXPECT_FALSE(half.try_lock());
  EXPECT_TRUE(half.enter());
  half.unlock();
  EXPECT_TRUE(half.is_busy());
}

TEST(HalfLock, BothAtOnceOnlyIfNobodyHasEither) {
  HalfLock half;
  ASSERT_TRUE(half.enter());
  EXPECT_FALSE(half.enter_and_lock());
  half.leave();
  half.lock();
  EXPECT_FALSE(half.enter_and_lock());
  EXPECT_FALSE(half.is_busy());
  half.unlock();
  ASSERT_TRUE(half.enter_and_lock());
  EXPECT_FALSE(half.try_lock());
  EXPECT_FALSE(half.enter());
  half.unlock_and_leave();
  EXPECT_TRUE(half.try_lock());
  EXPECT_TRUE(half.enter());
}

// Calls of one thread, short ones and long ones, and others that only want the lock: nobody is left waiting, and nothing of
// what is done under the lock is lost.
TEST(HalfLock, NobodyIsLeftWaiting) {
  constexpr int kRounds = 20'000;
  HalfLock half;
  int under_lock = 0;
  int in_call = 0;
  std::array<std::jthread, 2> others;
  for (auto& other : others) {
    other = std::jthread([&] {
      for (int round = 0; round < kRounds; ++round) {
        const std::lock_guard lock(half);
        ++under_lock;
      }
    });
  }
  int at_once = 0;
  for (int round = 0; round < kRounds; ++round) {
    if (half.enter_and_lock()) {
      ++at_once;
      ++under_lock;
      ++in_call;
      half.unlock_and_leave();
      continue;
    }
    ASSERT_TRUE(half.enter()) << "nobody else calls";
    ++in_call;
    {
      const std::lock_guard lock(half);
      ++under_lock;
    }
    half.leave();
  }
  for (auto& other : others) other.join();
  EXPECT_EQ(under_lock, 3 * kRounds);
  EXPECT_EQ(in_call, kRounds);
  EXPECT_FALSE(half.is_busy());
  EXPECT_TRUE(half.try_lock());
  RecordProperty("at_once", at_once);
}

}  // namespace
