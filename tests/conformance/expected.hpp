// Which tests may be skipped on a system, and why: tests/conformance/expected-SYSTEM. Only what a machine can't do may stand
// there, never a promise. A line: TEST SUBJECT WHEN REASON…, where TEST and SUBJECT may end in *, and WHEN is `always`, `asan`,
// `tsan`, `sanitizer`, `user` (not run as root), `no-ipv6` or `no-fault-points`.
#pragma once

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "fault_points.hpp"
#include "machine.hpp"
#include "results.hpp"

namespace sluice_test {

class Expected {
 public:
  explicit Expected(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
      if (line.empty() || line[0] == '#') continue;
      std::istringstream words(line);
      Line entry;
      words >> entry.test >> entry.subject >> entry.when;
      std::getline(words >> std::ws, entry.reason);
      if (!entry.reason.empty()) lines_.push_back(std::move(entry));
    }
  }

  [[nodiscard]] bool allows(const TestResult& result) const {
    for (const auto& line : lines_)
      if (matches(line.test, result.test) && matches(line.subject, result.subject) && holds(line.when)) return true;
    return false;
  }

 private:
  struct Line {
    std::string test;
    std::string subject;
    std::string when;
    std::string reason;
  };

  static bool matches(std::string_view pattern, std::string_view text) {
    return pattern.ends_with('*') ? text.starts_with(pattern.substr(0, pattern.size() - 1)) : text == pattern;
  }
  static bool holds(std::string_view when) {
    return when == "always" || (when == "asan" && under_address_sanitizer()) || (when == "tsan" && under_thread_sanitizer()) ||
           (when == "sanitizer" && under_sanitizer()) || (when == "user" && geteuid() != 0) ||
           (when == "no-ipv6" && !has_ipv6()) || (when == "no-fault-points" && !fault_points::are_built_in());
  }

  std::vector<Line> lines_;
};

}  // namespace sluice_test
