// main() of the test programs on Windows, in place of GoogleTest's.
#include <gtest/gtest.h>

#include "guard.hpp"

int main(int count, char** words) {
  sluice_test::guard_this_process();
  testing::InitGoogleTest(&count, words);
  return RUN_ALL_TESTS();
}
