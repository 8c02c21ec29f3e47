// The rule that Options::capacity states: how large a ring is to be for messages that are written while others are still held.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <sluice/sluice.hpp>
#include <string>
#include <utility>

#include "links/mechanism.hpp"

namespace {

using sluice::Deadline;

constexpr std::size_t kCapacity = std::size_t{256} << 10;

// How many messages of that size, each written in place while the last `held` are still held in place, find room.
std::size_t passed_while_held(std::size_t size, std::size_t held) {
  constexpr std::size_t kMost = 100;  // several times through the ring, for each place of its end
  sluice::Options options;
  options.capacity = kCapacity;
  auto ends = sluice::pair("inproc:?link=region", options).value();
  std::deque<sluice::Message> messages;
  for (std::size_t passed = 0; passed < kMost; ++passed) {
    auto loan = ends.first.loan(size, Deadline::now());
    if (!loan) {
      // It asks for room only after the receiver has looked in vain and given back what it was about to keep to itself.
      EXPECT_FALSE(ends.second.receive(Deadline::now()));
      loan = ends.first.loan(size, Deadline::now());
    }
    if (!loan) return passed;
    loan->commit().value();
    messages.push_back(ends.second.receive(Deadline::now()).value());
    if (!messages.back().shared()) return passed;
    if (messages.size() > held) messages.pop_front();
  }
  return kMost;
}

TEST(HeldRoom, TwoMoreThanAreHeldWithTheirHeadersHaveRoom) {
  if (sluice::links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  for (std::size_t held = 1; held <= 6; ++held) {
    const std::size_t size = ((kCapacity - 8) / (held + 2) - 8) / 8 * 8;
    for (const std::size_t one : {size, size - 1, size - 8, size / 2, size * 3 / 4})
      EXPECT_EQ(passed_while_held(one, held), 100U) << one << " bytes, " << held << " held";
    EXPECT_LT(passed_while_held(kCapacity / (held + 1) - 512, held), 100U) << "one more than are held is enough: say so";
  }
}

TEST(HeldRoom, MessagesOfAboutHalfARingAreViews) {
  if (sluice::links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  EXPECT_EQ(passed_while_held(kCapacity / 2 - 512, 0), 100U);
  EXPECT_LT(passed_while_held(kCapacity / 2, 0), 100U) << "larger ones are copied";
}

}  // namespace
