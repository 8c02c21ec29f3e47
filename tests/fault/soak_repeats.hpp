// The soak's repeats: what several threads and processes do at once goes well a thousand times and then not. So the tests of it
// are run again and again, with counts beyond the usual and new seeds, while the machine has more to do than it can.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "content.hpp"
#include "machine.hpp"

namespace sluice_test {

// Tests that are repeated together, and what came of it.
struct RepeatTally {
  std::string label;       // a subject, or what the unit tests are about
  std::string program;     // as seen from the folder with the test programs
  std::string filter;      // as --gtest_filter takes it
  bool is_unit{false};     // unit tests: some use what all processes of a user share (UserLock)
  std::uint64_t tests{0};  // of one time
  std::uint64_t times{0};
  std::uint64_t passed{0};
  std::uint64_t failed{0};
  std::uint64_t skipped{0};
};

struct RepeatPhase {
  std::string name;
  std::uint64_t times{50};  // that each is to run, if there is time for it
  double scale{2};          // SLUICE_SCALE of the tests
  std::vector<RepeatTally> tallies;
};

// Fills the phase's tallies: the conformance tests of promises 2, 3, 4, 5 and 8 over every subject that is here, and the unit
// tests with threads; `programs` is the folder of their programs. Ends when each has run so many times, or soon after `until`.
// Returns what went wrong, to be read by people; a test that has failed is among it, and tests that ran hardly ever, for they
// prove nothing.
[[nodiscard]] std::vector<std::string> run_repeats(RepeatPhase& phase, const std::string& programs, Clock::time_point until,
                                                   Random& random);

}  // namespace sluice_test
