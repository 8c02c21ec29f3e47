// Promise 10: where the traits say so, handles travel with a message. No mechanism has them yet: the traits must say that.
#include "conformance.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(Handles, 10);

TEST_P(Handles, AreNotPromisedYet) {
  auto pair = meet();
  EXPECT_FALSE(pair.channel.traits().handles);
  EXPECT_FALSE(traits().handles);
  answer_not_supported();
}

}  // namespace
}  // namespace sluice_test
