// What a run states: one line for each test, written where SLUICE_RESULTS names a file, from which the report makes
// conformance.json (tests/conformance/report.cpp).
#pragma once

#include <string>
#include <vector>

namespace sluice_test {

inline constexpr int kPromises = 12;
// What promise `number` (1 … 12) of the design is called.
[[nodiscard]] const char* promise_name(int number) noexcept;

struct TestResult {
  int promise{0};
  std::string subject;
  std::string test;     // Suite.Test
  std::string outcome;  // passed, failed, not_supported, one_process, skipped
  double seconds{0};
  std::string notes;  // counts, sizes, times: key=value; or why it was skipped
};

[[nodiscard]] std::string to_line(const TestResult& result);
// False for a line that to_line() doesn't write.
[[nodiscard]] bool read_line(const std::string& line, TestResult& result);

// Writes the results of this program; call it before RUN_ALL_TESTS().
void record_results();

// Properties of a test by which the fixture tells the recorder (testing::Test::RecordProperty).
inline constexpr const char* kPromiseProperty = "promise";
inline constexpr const char* kSubjectProperty = "subject";
inline constexpr const char* kOutcomeProperty = "outcome";
inline constexpr const char* kNotesProperty = "notes";

}  // namespace sluice_test
