// sluice-soak: what holds for a moment, held to for half an hour. While stress-ng loads the machine, the tests of what happens
// at once are repeated (soak_repeats.hpp), and peers are killed by the hundred (soak_kills.hpp); then again with everything on
// one core.
//
//   sluice-soak [--minutes N] [--times N] [--scale FACTOR] [--record docs/testing.md] [--commit TEXT]
//
// Prints what it did, and writes the same between the soak markers of the record's page. Exit status 0: every promise held, and
// was put to the test: what was missing, or too short, proves nothing, and is a problem like any other.
//
// For its own test: --load PROGRAM instead of stress-ng, --programs FOLDER instead of the one with the test programs.
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "soak_kills.hpp"
#include "soak_record.hpp"
#include "soak_repeats.hpp"
#include "watchdog.hpp"

namespace sluice_test {
namespace {

struct Arguments {
  double minutes{30};
  std::uint64_t times{50};
  double scale{2};
  std::string record;
  std::string commit{"unknown"};
  std::string load{"stress-ng"};
  std::string programs{program_folder()};
};

using Problems = std::vector<std::string>;

void add(Problems& problems, Problems more) {
  for (auto& problem : more) problems.push_back(std::move(problem));
}

// What keeps the machine busy meanwhile. Without it a run proves less than it says, which is a problem of the run.
class Load {
 public:
  Load(const std::string& program, double minutes, Problems& problems) : problems_(problems) {
    constexpr double kMinute = 60;
    const auto longest = static_cast<int>((2 * minutes + 10) * kMinute);  // where nobody is left to end it
    try {
      process_ = std::make_unique<Process>(
          Process::Start{.command = {program, "--quiet", "--cpu", "2", "--switch", "2", "--vm", "1", "--vm-bytes", "256M",
                                     "--timer", "1", "--timeout", std::to_string(longest)},
                         .environment = {}});
    } catch (const std::exception& failure) {
      problems_.push_back(std::string("nothing has loaded the machine (tools/setup soak installs stress-ng): ") +
                          failure.what());
    }
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    if (!process_) return;
    if (const auto status = process_->wait(milliseconds(0)))
      problems_.push_back("what loads the machine ended before its time, with status " + std::to_string(*status));
    process_->signal(SIGTERM);  // it ends its own children
    (void)process_->wait(patience());
  }
  [[nodiscard]] std::string phase() const { return process_ ? "under stress-ng" : "without load"; }

 private:
  Problems& problems_;
  std::unique_ptr<Process> process_;
};

// This process, and everything that it starts from now on, on the first processor that it may use. What went wrong, or empty.
std::string pin_to_one_core() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return std::string("sched_getaffinity: ") + std::strerror(errno);
  std::size_t first = 0;
  while (first < CPU_SETSIZE && !CPU_ISSET(first, &allowed)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  if (first < CPU_SETSIZE) CPU_SET(first, &one);
  if (sched_setaffinity(0, sizeof(one), &one) != 0) return std::string("sched_setaffinity: ") + std::strerror(errno);
  return {};
}

Problems missing_mechanisms() {
  Problems problems;
  std::string last;
  for (const auto& subject : subjects()) {
    const auto row = row_of(subject);
    if (!row.available && subject.mechanism != last) problems.push_back(subject.mechanism + " is not here: " + row.why_not);
    last = subject.mechanism;
  }
  return problems;
}

Arguments read_arguments(int count, char** words) {
  Arguments arguments;
  for (int at = 1; at + 1 < count; at += 2) {
    const std::string_view option = words[at];
    const char* value = words[at + 1];
    if (option == "--minutes") arguments.minutes = std::strtod(value, nullptr);
    if (option == "--times") arguments.times = std::strtoull(value, nullptr, 10);
    if (option == "--scale") arguments.scale = std::strtod(value, nullptr);
    if (option == "--record") arguments.record = value;
    if (option == "--commit") arguments.commit = value;
    if (option == "--load") arguments.load = value;
    if (option == "--programs") arguments.programs = value;
  }
  return arguments;
}

// The repeats have at most two thirds of the time; the kills have what is left, one half under load and the other on one core.
// The last tests that are repeated may end late: the kills keep their sixth each.
SoakRecord run_phases(const Arguments& arguments) {
  Random random(seed());
  SoakRecord record{.commit = arguments.commit, .minutes = arguments.minutes, .kills = {}, .repeats = {}, .problems = {}};
  auto& problems = record.problems;
  add(problems, missing_mechanisms());
  const auto minutes = [](double count) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::ratio<60>>(count));
  };
  const auto begin = Clock::now();
  const auto end = begin + minutes(arguments.minutes);
  const auto at_least = minutes(arguments.minutes / 6);
  {
    const Load load(arguments.load, arguments.minutes, problems);
    record.repeats = {.name = load.phase(), .times = arguments.times, .scale = arguments.scale, .tallies = {}};
    add(problems, run_repeats(record.repeats, arguments.programs, begin + minutes(arguments.minutes * 2 / 3), random));
    const auto now = Clock::now();
    record.kills.push_back({load.phase(), {}});
    add(problems, run_kills(record.kills.back(), now + std::max(at_least, (end - now) / 2), random));
  }
  if (auto problem = pin_to_one_core(); problem.empty()) {
    record.kills.push_back({"on one core", {}});
    add(problems, run_kills(record.kills.back(), std::max(end, Clock::now() + at_least), random));
  } else {
    problems.push_back("no phase on one core: " + problem);
  }
  return record;
}

int soak(const Arguments& arguments) {
  (void)Watchdog::instance();  // its descriptors are not what a round leaves behind
  std::printf("SLUICE_SEED=%llu, %.1f minutes\n", static_cast<unsigned long long>(seed()), arguments.minutes);
  const auto record = run_phases(arguments);
  const std::string text = describe(record);
  std::printf("%s", text.c_str());
  if (!arguments.record.empty() && !write_record(arguments.record, text)) {
    std::fprintf(stderr, "%s has no soak markers\n", arguments.record.c_str());
    return 1;
  }
  return record.problems.empty() ? 0 : 1;
}

}  // namespace
}  // namespace sluice_test

int main(int count, char** words) { return sluice_test::soak(sluice_test::read_arguments(count, words)); }
