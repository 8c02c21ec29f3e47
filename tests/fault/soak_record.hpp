// What the soak says of itself: for people, and between the soak markers of a page.
#pragma once

#include <string>
#include <vector>

#include "soak_kills.hpp"
#include "soak_repeats.hpp"

namespace sluice_test {

struct SoakRecord {
  std::string commit;
  double minutes{0};
  std::vector<KillPhase> kills;
  RepeatPhase repeats;
  std::vector<std::string> problems;
};

// Markdown: when and where, a table of the kills, one of the repeats, the sums, and every problem.
[[nodiscard]] std::string describe(const SoakRecord& record);

// Replaces what stands between the markers of the page; false if it has none, or can't be written.
[[nodiscard]] bool write_record(const std::string& path, const std::string& text);

}  // namespace sluice_test
