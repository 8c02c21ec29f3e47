// sluice-conformance-report RESULTS-FOLDER EXPECTED OUTPUT
//
// Puts the results of all test programs together: one cell for each promise and subject, written to OUTPUT
// (conformance.json). Fails if a cell is missing, if a test failed, or if one was skipped and doesn't stand in EXPECTED.
// `--subjects` alone prints the subjects, for those who prepare results (report_can_fail.cmake).
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "expected.hpp"
#include "results.hpp"
#include "subject.hpp"

namespace {

using namespace sluice_test;

struct Cell {
  int promise{0};
  std::string subject;
  std::string result;
  std::string reason;
  std::vector<TestResult> tests;
};

std::vector<TestResult> read_results(const std::string& folder) {
  std::vector<TestResult> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".tsv") continue;
    std::ifstream file(entry.path());
    std::string line;
    TestResult result;
    while (std::getline(file, line))
      if (read_line(line, result)) all.push_back(result);
  }
  return all;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') out += '\\';
    out += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
  }
  return out + "\"";
}

// A cell is what its worst test is; but one test that ran is enough for a cell of which others could not run here.
void judge(Cell& cell, const Expected& expected) {
  const auto of = [&](const char* outcome) {
    return std::ranges::find_if(cell.tests, [&](const TestResult& test) { return test.outcome == outcome; });
  };
  for (const auto& test : cell.tests)
    if (test.outcome == "skipped" && !expected.allows(test)) {
      cell.result = "failed";
      cell.reason = test.test + " is skipped, which is not expected: " + test.notes;
      return;
    }
  for (const char* outcome : {"failed", "passed", "not_supported", "one_process", "skipped"}) {
    const auto found = of(outcome);
    if (found == cell.tests.end()) continue;
    cell.result = outcome;
    if (cell.result != "passed") cell.reason = found->test + ": " + found->notes;
    return;
  }
  cell.result = "missing";
  cell.reason = "no test ran";
}

void write(const std::string& path, const std::vector<Cell>& cells) {
  std::ofstream out(path);
  out << "{\n  \"cells\": [";
  const char* separator = "\n";
  for (const auto& cell : cells) {
    out << separator << "    {\"promise\": " << cell.promise << ", \"about\": " << quoted(promise_name(cell.promise))
        << ", \"mechanism\": " << quoted(cell.subject) << ", \"result\": " << quoted(cell.result)
        << ", \"reason\": " << quoted(cell.reason) << ", \"tests\": [";
    const char* between = "\n";
    for (const auto& test : cell.tests) {
      out << between << "      {\"test\": " << quoted(test.test) << ", \"outcome\": " << quoted(test.outcome)
          << ", \"seconds\": " << test.seconds << ", \"notes\": " << quoted(test.notes) << "}";
      between = ",\n";
    }
    out << "]}";
    separator = ",\n";
  }
  out << "\n  ]\n}\n";
}

}  // namespace

int main(int count, char** words) {
  if (count == 2 && std::string(words[1]) == "--subjects") {
    for (const auto& subject : subjects()) std::printf("%s\n", subject.label.c_str());
    return 0;
  }
  if (count != 4) {
    std::fprintf(stderr, "usage: sluice-conformance-report RESULTS-FOLDER EXPECTED OUTPUT\n");
    return 2;
  }
  const auto results = read_results(words[1]);
  const Expected expected(words[2]);
  std::vector<Cell> cells;
  std::map<std::string, int> counts;
  double seconds = 0;
  for (const auto& subject : subjects()) {
    for (int promise = 1; promise <= kPromises; ++promise) {
      Cell cell{promise, subject.label, {}, {}, {}};
      for (const auto& test : results)
        if (test.promise == promise && test.subject == subject.label) cell.tests.push_back(test);
      for (const auto& test : cell.tests) seconds += test.seconds;
      judge(cell, expected);
      ++counts[cell.result];
      if (cell.result == "failed" || cell.result == "missing")
        std::printf("promise %d (%s) × %s: %s: %s\n", promise, promise_name(promise), subject.label.c_str(),
                    cell.result.c_str(), cell.reason.c_str());
      cells.push_back(std::move(cell));
    }
  }
  write(words[3], cells);
  std::printf(
      "%zu cells, %zu tests in %.0f s: %d passed, %d not_supported, %d one_process, %d skipped, %d failed, %d missing\n",
      cells.size(), results.size(), seconds, counts["passed"], counts["not_supported"], counts["one_process"],
      counts["skipped"], counts["failed"], counts["missing"]);
  return counts["failed"] + counts["missing"] == 0 && !cells.empty() ? 0 : 1;
}
