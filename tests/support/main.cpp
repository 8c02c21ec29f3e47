// main() of the test programs: prints the seed, records results.
#include <gtest/gtest.h>

#include <cstdio>

#include "machine.hpp"
#include "results.hpp"

int main(int count, char** words) {
  testing::InitGoogleTest(&count, words);
  std::printf("SLUICE_SEED=%llu\n", static_cast<unsigned long long>(sluice_test::seed()));
  sluice_test::record_results();
  return RUN_ALL_TESTS();
}
