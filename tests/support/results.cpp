#include "results.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace sluice_test {
namespace {

std::string on_one_line(std::string text) {
  for (char& letter : text)
    if (letter == '\n' || letter == '\t' || letter == '\r') letter = ' ';
  return text;
}

class Recorder final : public testing::EmptyTestEventListener {
 public:
  explicit Recorder(const std::string& path) : file_(path, std::ios::trunc) {}

  void OnTestEnd(const testing::TestInfo& info) override {
    const auto& run = *info.result();
    TestResult result;
    // "Promise1/Suite.Test/subject": the instantiation's name and the subject are told by the properties.
    const std::string suite = info.test_suite_name();
    const std::string test = info.name();
    result.test = suite.substr(suite.find('/') + 1) + "." + test.substr(0, test.find('/'));
    result.outcome = run.Failed() ? "failed" : run.Skipped() ? "skipped" : "passed";
    constexpr double kMilliseconds = 1000;
    result.seconds = static_cast<double>(run.elapsed_time()) / kMilliseconds;
    for (int at = 0; at < run.test_property_count(); ++at) take(run.GetTestProperty(at), result);
    for (int at = 0; at < run.total_part_count(); ++at)
      if (const auto& part = run.GetTestPartResult(at); part.skipped() || part.failed())
        result.notes += std::string(" ") + part.message();
    if (result.promise == 0) return;        // the harness's own tests are no cell
    file_ << to_line(result) << std::endl;  // flushed: a run that is killed leaves what it had
  }

 private:
  static void take(const testing::TestProperty& property, TestResult& result) {
    const std::string key = property.key();
    if (key == kPromiseProperty) result.promise = std::atoi(property.value());
    if (key == kSubjectProperty) result.subject = property.value();
    if (key == kNotesProperty) result.notes = property.value();
    if (key == kOutcomeProperty && result.outcome == "passed") result.outcome = property.value();
  }

  std::ofstream file_;
};

}  // namespace

const char* promise_name(int number) noexcept {
  static constexpr std::array<const char*, kPromises> kNames{"whole messages",
                                                             "in order, exactly once",
                                                             "back pressure, bounded memory",
                                                             "deadlines",
                                                             "orderly close",
                                                             "death",
                                                             "hostile peers",
                                                             "full duplex",
                                                             "only who may",
                                                             "handles",
                                                             "idle is free",
                                                             "well-behaved in its host"};
  return number >= 1 && number <= kPromises ? kNames[static_cast<std::size_t>(number) - 1] : "?";
}

std::string to_line(const TestResult& result) {
  std::ostringstream line;
  line << result.promise << '\t' << result.subject << '\t' << result.test << '\t' << result.outcome << '\t' << result.seconds
       << '\t' << on_one_line(result.notes);
  return line.str();
}

bool read_line(const std::string& line, TestResult& result) {
  std::istringstream text(line);
  text >> result.promise >> result.subject >> result.test >> result.outcome >> result.seconds;
  if (!text) return false;
  std::getline(text >> std::ws, result.notes);
  return true;
}

void record_results() {
  const char* path = std::getenv("SLUICE_RESULTS");
  if (path == nullptr) return;
  testing::UnitTest::GetInstance()->listeners().Append(new Recorder(path));  // gtest owns it
}

}  // namespace sluice_test
