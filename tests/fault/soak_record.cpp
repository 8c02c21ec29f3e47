#include "soak_record.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

namespace sluice_test {
namespace {

using std::chrono::microseconds;

std::string text_of(double number, const char* format) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, number);
  return text.data();
}

// Median and worst, in ms.
std::pair<std::string, std::string> summary(std::vector<microseconds> times) {
  if (times.empty()) return {"–", "–"};
  std::sort(times.begin(), times.end());
  const auto milliseconds_text = [](microseconds time) {
    constexpr double kMicroseconds = 1000;
    return text_of(static_cast<double>(time.count()) / kMicroseconds, "%.2f");
  };
  return {milliseconds_text(times[times.size() / 2]), milliseconds_text(times.back())};
}

std::string row(const std::vector<std::string>& cells) {
  std::string text = "|";
  for (const auto& cell : cells) text += " " + cell + " |";
  return text + "\n";
}

std::string date() {
  const std::time_t now = std::time(nullptr);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
  return text.data();
}

std::string describe_run(const SoakRecord& record) {
  utsname system{};
  uname(&system);
  const std::string release = system.release;
  return "Written by `make soak` on " + date() + ", commit " + record.commit + ", seed " + std::to_string(seed()) + ", " +
         text_of(record.minutes, "%g") + " minutes, Linux " + release.substr(0, release.find('-')) + ", " +
         std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) + " processors.\n";
}

std::string describe_kills(const std::vector<KillPhase>& phases) {
  std::string text =
      "| phase | mechanism | rounds | kills at random | kills at points | messages | noticed, median ms | worst ms | "
      "above 100 ms | next connection, median ms | worst ms |\n"
      "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
  for (const auto& phase : phases) {
    for (const auto& tally : phase.tallies) {
      const auto noticed = summary(tally.noticed);
      const auto reconnected = summary(tally.reconnected);
      text += row({phase.name, "`" + tally.subject + "`", std::to_string(tally.rounds), std::to_string(tally.kills_at_random),
                   std::to_string(tally.kills_at_points), std::to_string(tally.messages), noticed.first, noticed.second,
                   std::to_string(tally.noticed_late()), reconnected.first, reconnected.second});
    }
  }
  return text;
}

std::string describe_repeats(const RepeatPhase& phase) {
  std::string text =
      "| phase | tests of | tests | times in a row | passed | failed | skipped |\n"
      "| --- | --- | ---: | ---: | ---: | ---: | ---: |\n";
  for (const auto& tally : phase.tallies)
    text += row({phase.name, "`" + tally.label + "`", std::to_string(tally.tests), std::to_string(tally.times),
                 std::to_string(tally.passed), std::to_string(tally.failed), std::to_string(tally.skipped)});
  return text;
}

std::string describe_sums(const SoakRecord& record) {
  std::uint64_t kills = 0;
  std::uint64_t noticed = 0;
  std::uint64_t late = 0;
  for (const auto& phase : record.kills) {
    for (const auto& tally : phase.tallies) {
      kills += tally.kills();
      noticed += tally.noticed.size();
      late += tally.noticed_late();
    }
  }
  const auto& repeats = record.repeats;
  std::uint64_t passed = 0;
  std::uint64_t fewest = repeats.tallies.empty() ? 0 : repeats.times;
  for (const auto& tally : repeats.tallies) {
    passed += tally.passed;
    fewest = std::min(fewest, tally.times);
  }
  const auto& problems = record.problems;
  return std::to_string(kills) + " kills; of " + std::to_string(noticed) + " deaths in an exchange " + std::to_string(late) +
         " were noticed later than after 100 ms. " + std::to_string(passed) +
         " tests passed in repeats, at SLUICE_SCALE=" + text_of(repeats.scale, "%g") + ", of each at least " +
         std::to_string(fewest) + " times of the " + std::to_string(repeats.times) + " that were wanted; " +
         (!problems.empty() ? std::to_string(problems.size()) + (problems.size() == 1 ? " problem:\n\n" : " problems:\n\n")
          : late != 0       ? "every other promise held.\n"
                            : "every promise held.\n");
}

}  // namespace

std::string describe(const SoakRecord& record) {
  std::string text = describe_run(record) + "\n" + describe_kills(record.kills) + "\n" + describe_repeats(record.repeats) +
                     "\n" + describe_sums(record);
  for (const auto& problem : record.problems) text += "- " + problem + "\n";
  return text;
}

bool write_record(const std::string& path, const std::string& text) {
  constexpr std::string_view kBegin = "<!-- soak:begin -->\n";
  constexpr std::string_view kEnd = "<!-- soak:end -->";
  std::ifstream in(path);
  std::string page{std::istreambuf_iterator<char>(in), {}};
  const auto begin = page.find(kBegin);
  const auto end = page.find(kEnd);
  if (begin == page.npos || end == page.npos || end < begin) return false;
  page.replace(begin + kBegin.size(), end - begin - kBegin.size(), text);
  std::ofstream out(path);
  return static_cast<bool>(out << page);
}

}  // namespace sluice_test
