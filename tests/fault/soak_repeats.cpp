#include "soak_repeats.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>

#include "process.hpp"
#include "scratch.hpp"
#include "subject.hpp"
#include "watchdog.hpp"

namespace sluice_test {
namespace {

// One process runs so many times in a row; the next has a new seed.
constexpr std::uint64_t kTimesOfAProcess = 5;
constexpr std::uint64_t kFewestTimes = 5;  // that prove something
// They wait most of the time: for an event, a deadline, or for nothing to happen.
constexpr long kProcessesOfAProcessor = 2;
constexpr std::size_t kMostProblems = 10;
// What one process takes at most: a test that hangs is ended by its own watchdog, where it has one, long before.
constexpr milliseconds kLongest{20 * 60 * 1000};

// Unit tests that have several threads, or several ends at once. One entry for each, so that a name that is no longer there is
// noticed: it has no tests.
constexpr auto kUnitTests = std::to_array<std::string_view>({
    "*/Many.*",
    "*/Loans*.*",
    "*/Session.*",
    "SessionRing.*",
    "SessionStream.*",
    "SessionLocal.*",
    "*/Waiting.*",
    "WaitSetTest.*",
    "HalfLock.*",
    "OsWaiter.*",
    "*/FramingChannel.*",
    "*/StreamContract.*",
    "*/PacketContract.*",
    "*/RegionContract.*",
});

std::vector<RepeatTally> all_to_repeat() {
  std::vector<RepeatTally> all;
  for (const auto& subject : subjects()) {
    if (!row_of(subject).available) continue;
    auto& tally = all.emplace_back();
    tally.label = subject.label;
    tally.program = "sluice-conformance";
    std::string label = subject.label;
    std::ranges::replace(label, '-', '_');  // gtest takes no hyphen
    for (const int promise : {2, 3, 4, 5, 8})
      tally.filter += (tally.filter.empty() ? "Promise" : ":Promise") + std::to_string(promise) + "/*/" + label;
  }
  for (const auto& filter : kUnitTests) {
    auto& tally = all.emplace_back();
    tally.label = "unit: " + std::string(filter);
    tally.program = "../sluice-unit-tests";
    tally.filter = filter;
    tally.is_unit = true;
  }
  return all;
}

std::string content_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// What a test program of GoogleTest has printed, of all its iterations.
struct PrintedResults {
  std::uint64_t iterations{0};
  std::uint64_t tests{0};  // of the last iteration
  std::uint64_t passed{0};
  std::uint64_t skipped{0};
  std::vector<std::string> failed;  // their names, each time
  std::string told;                 // what the failed ones have printed
};

PrintedResults read_results_of(const std::string& output) {
  PrintedResults results;
  std::istringstream text(output);
  std::string line;
  std::string since_begin;  // of the test that runs
  while (std::getline(text, line)) {
    // The lists at the end of an iteration name tests once more, without their times.
    const bool ends_a_test = line.ends_with(" ms)");
    since_begin = line.starts_with("[ RUN ") ? line + "\n" : since_begin + line + "\n";
    if (line.starts_with("[       OK ]") && ends_a_test) ++results.passed;
    if (line.starts_with("[  SKIPPED ]") && ends_a_test) ++results.skipped;
    if (line.starts_with("[  FAILED  ]") && ends_a_test) {
      constexpr std::size_t kMark = std::string_view("[  FAILED  ] ").size();
      results.failed.push_back(line.substr(kMark, line.find_first_of(" ,", kMark) - kMark));
      results.told += since_begin;
    }
    unsigned long long tests = 0;
    if (line.find(" ran.") != line.npos && std::sscanf(line.c_str(), "[==========] %llu test", &tests) == 1) {
      ++results.iterations;
      results.tests = tests;
    }
  }
  return results;
}

// One process.
struct Piece {
  RepeatTally& tally;
  std::uint64_t times;
};

// All pieces, in the order in which they are run: first everything once, for the time may be over before the end. Then the unit
// tests, which take less of it than the others by far.
std::vector<Piece> all_pieces(RepeatPhase& phase) {
  std::vector<Piece> pieces;
  if (phase.times == 0) return pieces;
  for (auto& tally : phase.tallies) pieces.push_back({tally, 1});
  for (const bool unit : {true, false}) {
    for (std::uint64_t done = 1; done < phase.times; done += kTimesOfAProcess)
      for (auto& tally : phase.tallies)
        if (tally.is_unit == unit) pieces.push_back({tally, std::min(kTimesOfAProcess, phase.times - done)});
  }
  return pieces;
}

// Several threads take their work from here: one process after the other.
class Repeating {
 public:
  Repeating(RepeatPhase& phase, std::string programs, Clock::time_point until, Random& random)
      : phase_(phase), pieces_(all_pieces(phase)), programs_(std::move(programs)), until_(until), random_(random) {}

  // Runs processes until there is nothing more to be done.
  void work() {
    while (const auto next = take()) run(*next);
  }
  [[nodiscard]] std::vector<std::string> problems() && { return std::move(problems_); }

 private:
  struct Run {
    Piece piece;
    std::uint64_t seed;
    std::string output;  // a file
  };

  std::optional<Run> take() {
    const std::lock_guard lock(mutex_);
    if (taken_ >= pieces_.size() || Clock::now() >= until_ || problems_.size() >= kMostProblems) return std::nullopt;
    const std::string output = scratch_.folder() + "/output-" + std::to_string(taken_);
    return Run{pieces_[taken_++], random_.next(), output};
  }

  void run(const Run& run) {
    std::string problem;
    try {
      const UserLock lock(run.piece.tally.is_unit ? UserLock::Hold::shared : UserLock::Hold::none);
      problem = run_process(run);
    } catch (const std::exception& failure) {
      problem = failure.what();
    }
    const auto results = read_results_of(content_of(run.output));
    unlink(run.output.c_str());
    const std::lock_guard lock(mutex_);
    count(run, results, std::move(problem));
  }

  // Where the program ran to its end: empty, whether its tests have passed or not.
  std::string run_process(const Run& run) {
    const int output = open(run.output.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (output < 0) return "there is no room for its output";
    Process::Start start;
    start.command = {programs_ + "/" + run.piece.tally.program, "--gtest_filter=" + run.piece.tally.filter,
                     "--gtest_repeat=" + std::to_string(run.piece.times)};
    start.environment = {"SLUICE_SEED=" + std::to_string(run.seed), "SLUICE_SCALE=" + std::to_string(phase_.scale),
                         "GTEST_OUTPUT="};
    start.output = output;
    std::optional<Process> process;
    try {
      process.emplace(start);
    } catch (...) {
      close(output);
      throw;
    }
    close(output);
    const auto status = process->wait(kLongest);
    if (!status) {
      print_stacks(process->pid());
      return "it doesn't end";
    }
    return *status == 0 || (WIFEXITED(*status) && WEXITSTATUS(*status) == 1)
               ? ""
               : "it ended with status " + std::to_string(*status);
  }

  void count(const Run& run, const PrintedResults& results, std::string problem) {
    auto& tally = run.piece.tally;
    tally.tests = std::max(tally.tests, results.tests);
    tally.times += results.iterations;
    tally.passed += results.passed;
    tally.skipped += results.skipped;
    tally.failed += results.failed.size();
    if (problem.empty() && results.failed.empty() && results.iterations != run.piece.times)
      problem = "it ran " + std::to_string(results.iterations) + " times instead of " + std::to_string(run.piece.times);
    const std::string where = tally.label + ", repeated, SLUICE_SEED=" + std::to_string(run.seed) + ": ";
    if (!results.told.empty()) std::printf("%s\n%s\n", where.c_str(), results.told.c_str());
    for (const auto& name : results.failed) problems_.push_back(where + name + " has failed");
    if (problem.empty()) return;
    std::printf("%s%s\n", where.c_str(), problem.c_str());
    problems_.push_back(where + problem);
  }

  const RepeatPhase& phase_;
  std::vector<Piece> pieces_;
  std::string programs_;
  Clock::time_point until_;
  Random& random_;
  Scratch scratch_;
  std::mutex mutex_;
  std::size_t taken_{0};
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> run_repeats(RepeatPhase& phase, const std::string& programs, Clock::time_point until, Random& random) {
  phase.tallies = all_to_repeat();
  Repeating repeating(phase, programs, until, random);
  std::vector<std::thread> workers;
  for (long worker = 0; worker < kProcessesOfAProcessor * sysconf(_SC_NPROCESSORS_ONLN); ++worker)
    workers.emplace_back([&] { repeating.work(); });
  for (auto& worker : workers) worker.join();
  auto problems = std::move(repeating).problems();
  for (const auto& tally : phase.tallies) {
    if (tally.times < std::min(kFewestTimes, phase.times))
      problems.push_back(tally.label + ", " + phase.name + ": repeated only " + std::to_string(tally.times) + " times of " +
                         std::to_string(phase.times));
    if (tally.times > 0 && tally.passed == 0) problems.push_back(tally.label + ", " + phase.name + ": no test has passed");
  }
  return problems;
}

}  // namespace sluice_test
