// Result: a value or an Error, also with types that only move.
#include <sluice/result.hpp>

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace sluice;

static_assert(!std::is_copy_constructible_v<Result<std::unique_ptr<int>>>);
static_assert(std::is_nothrow_move_constructible_v<Result<std::unique_ptr<int>>>);
static_assert(std::is_trivially_copyable_v<Result<void>>);
static_assert(!std::is_convertible_v<Result<int>, bool>, "only explicitly: if (result)");

Result<std::unique_ptr<int>> make(bool succeed) {
  if (!succeed) return Error{Errc::closed, Step::receive, 7, 1, 2};
  return std::make_unique<int>(42);
}

TEST(Result, HoldsAValue) {
  Result<int> result = 42;
  EXPECT_TRUE(result);
  EXPECT_TRUE(result.has_value());
  EXPECT_EQ(*result, 42);
  EXPECT_EQ(result.value(), 42);
  *result = 43;
  EXPECT_EQ(std::as_const(result).value(), 43);
}

TEST(Result, HoldsAnError) {
  const Result<int> result = Error{Errc::too_large, Step::send, 1, 2, 3};
  EXPECT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::too_large);
  EXPECT_EQ(result.error().step, Step::send);
  EXPECT_EQ(result.error().os_code, 1);
  EXPECT_EQ(result.error().first, 2);
  EXPECT_EQ(result.error().second, 3);
}

TEST(Result, IsMadeFromACodeAlone) {
  const Result<int> result = Errc::closed;
  EXPECT_EQ(result.error().code, Errc::closed);
  EXPECT_EQ(result.error().step, Step::none);
  const Result<void> nothing{Errc::closed, Step::flush};
  EXPECT_EQ(nothing.error().step, Step::flush);
}

TEST(Result, HandsOutWhatOnlyMoves) {
  auto result = make(true);
  ASSERT_TRUE(result);
  EXPECT_EQ(**result, 42);
  EXPECT_EQ(*result->get(), 42);
  const std::unique_ptr<int> value = *std::move(result);
  EXPECT_EQ(*value, 42);
  EXPECT_EQ(*make(true).value(), 42);
  EXPECT_EQ(make(false).value_or(nullptr), nullptr);
  EXPECT_EQ(*make(true).value_or(nullptr), 42);
}

TEST(Result, MovesAndIsAssigned) {
  auto result = make(false);
  result = make(true);
  ASSERT_TRUE(result);
  const auto moved = std::move(result);
  ASSERT_TRUE(moved);
  EXPECT_EQ(**moved, 42);
}

TEST(Result, ValueThrowsTheError) {
  try {
    (void)make(false).value();
    FAIL() << "nothing was thrown";
  } catch (const BadResultAccess& thrown) {
    EXPECT_EQ(thrown.error().code, Errc::closed);
    EXPECT_EQ(thrown.error().step, Step::receive);
    EXPECT_EQ(thrown.error().os_code, 7);
    EXPECT_EQ(thrown.what(), describe(thrown.error()));
  }
  const Result<int> result = Errc::closed;
  EXPECT_THROW((void)result.value(), BadResultAccess);
}

TEST(Result, OfNothingSucceedsOrFails) {
  const Result<void> good;
  EXPECT_TRUE(good);
  EXPECT_TRUE(good.has_value());
  EXPECT_NO_THROW(good.value());
  EXPECT_NO_THROW(*good);
  const Result<void> bad = Error{Errc::peer_died, Step::send, 0, 0, 0};
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Errc::peer_died);
  EXPECT_THROW(bad.value(), BadResultAccess);
}

}  // namespace
