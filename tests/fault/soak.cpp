// sluice-soak: kills by the hundred, over every mechanism that has two processes, at random moments and at named points; first
// while stress-ng loads the machine, then with everything on one core. Each kill is followed at once by a new connection.
//
//   sluice-soak [--minutes N] [--record docs/testing.md] [--commit TEXT]
//
// Prints what it did, and writes the same between the soak markers of the record's page. Exit status 0: every promise held, and
// was put to the test: a mechanism that was killed hardly ever proves nothing.
#include <sched.h>
#include <signal.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "fault_points.hpp"
#include "kill_round.hpp"
#include "watchdog.hpp"

namespace sluice_test {
namespace {

using std::chrono::microseconds;

constexpr const char* kStress = "/usr/bin/stress-ng";
constexpr std::uint64_t kMostRounds = 1'000'000;  // the time ends it long before
constexpr std::uint64_t kFewestKills = 10;        // of a mechanism in a phase
// What promise 6 allows between the kernel's release and peer_died. On a machine with more to do than it can, this process may
// have to wait longer than that for a processor: what is above is counted and told; what is far above is no matter of load.
constexpr microseconds kPromised{100'000};
constexpr microseconds kNeverBeyond{2'000'000};

struct Arguments {
  double minutes{30};
  std::string record;
  std::string commit{"unknown"};
};

// What happened to one mechanism in one phase.
struct Tally {
  std::string subject;
  std::uint64_t rounds{0};
  std::uint64_t kills_at_random{0};
  std::uint64_t kills_at_points{0};
  std::uint64_t messages{0};
  std::vector<microseconds> noticed;
  std::vector<microseconds> reconnected;
  std::map<std::string, std::uint64_t> points;  // of the last whole round: name, passings
  microseconds usual_meeting{0};                // in whole rounds
  microseconds usual_exchange{0};

  [[nodiscard]] std::uint64_t kills() const noexcept { return kills_at_random + kills_at_points; }
  [[nodiscard]] std::uint64_t noticed_late() const {
    return static_cast<std::uint64_t>(std::ranges::count_if(noticed, [](microseconds time) { return time > kPromised; }));
  }
};

struct Phase {
  std::string name;
  std::vector<Tally> tallies;
};

std::string milliseconds_text(microseconds duration) {
  constexpr double kMicroseconds = 1000;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f", static_cast<double>(duration.count()) / kMicroseconds);
  return text.data();
}

// Median and worst, in ms.
std::pair<std::string, std::string> summary(std::vector<microseconds> times) {
  if (times.empty()) return {"–", "–"};
  std::sort(times.begin(), times.end());
  return {milliseconds_text(times[times.size() / 2]), milliseconds_text(times.back())};
}

microseconds moment_of(microseconds whole, Random& random) {
  return microseconds(random.below(static_cast<std::uint64_t>(whole.count()) + 1));
}

// Where the next kill comes from: by turns a random moment (now and then of the meeting) and a named point, listening and
// connecting.
KillPlan next_plan(const Subject& subject, Scratch& scratch, Tally& tally, Random& random) {
  KillPlan plan;
  plan.endpoint = subject.endpoint(scratch.folder(), scratch.unique_name());
  plan.seed = random.next();
  plan.what = tally.rounds % 4 < 2 ? PeerDoes::connect : PeerDoes::listen;
  plan.messages = 100 + random.below(400);
  plan.largest = random.below(8) == 0 ? 300'000 : 20'000;
  if (tally.rounds < 4) return plan;  // whole, to learn how long it takes and which points are passed
  if (tally.rounds % 2 == 0 && !tally.points.empty()) {
    auto point = tally.points.begin();
    std::advance(point, static_cast<std::ptrdiff_t>(random.below(tally.points.size())));
    plan.peer_options = {"--kill-at", point->first + ":" + std::to_string(1 + random.below(point->second))};
  } else if (random.below(4) == 0) {
    plan.kill_from = KillFrom::meeting;
    plan.kill_after = moment_of(tally.usual_meeting, random);
  } else {
    plan.kill_after = moment_of(tally.usual_exchange, random);
  }
  return plan;
}

void count(const KillPlan& plan, const KillOutcome& outcome, Tally& tally) {
  tally.messages += outcome.received + outcome.sent;
  if (!outcome.points.empty()) tally.points = outcome.points;
  if (outcome.noticed) tally.noticed.push_back(*outcome.noticed);
  if (outcome.killed) {
    ++(plan.kill_after ? tally.kills_at_random : tally.kills_at_points);
  } else {
    tally.usual_meeting = std::max(tally.usual_meeting, outcome.meeting_took);
    tally.usual_exchange = std::max(tally.usual_exchange, outcome.exchange_took);
  }
}

// The kill and the next connection; what went wrong, or empty.
std::string kill_and_meet_again(const KillPlan& plan, Scratch& scratch, Tally& tally) {
  const auto outcome = run_kill_round(plan);
  count(plan, outcome, tally);
  scratch.note_objects();
  if (!outcome.problem.empty()) return outcome.problem;
  if (outcome.noticed && *outcome.noticed > kNeverBeyond)
    return "the death was noticed after " + milliseconds_text(*outcome.noticed) + " ms";
  const auto started = Clock::now();
  if (auto problem = meet_once_more(plan.endpoint, plan.seed, plan.what); !problem.empty()) return problem;
  if (outcome.killed) tally.reconnected.push_back(std::chrono::duration_cast<microseconds>(Clock::now() - started));
  if (const auto left = scratch.leftovers(); !left.empty()) return "left behind: " + left.front();
  return {};
}

// One round; what went wrong, or empty. Whatever that is, the soak goes on and has it in its record.
std::string run_round(const Subject& subject, Tally& tally, Random& random) {
  const UserLock lock(subject.shares_user_limit ? UserLock::Hold::shared : UserLock::Hold::none);
  Scratch scratch;
  const auto plan = next_plan(subject, scratch, tally, random);
  ++tally.rounds;
  Watchdog::instance().begin("soak." + subject.label, patience() * 6);
  std::string problem;
  try {
    problem = kill_and_meet_again(plan, scratch, tally);
  } catch (const std::exception& failure) {
    problem = failure.what();
  }
  Watchdog::instance().end();
  if (problem.empty()) return problem;
  problem = subject.label + ", seed " + std::to_string(plan.seed) + ": " + problem;
  for (const auto& option : plan.peer_options) problem += " " + option;
  if (plan.kill_after) {
    problem += " killed " + std::to_string(plan.kill_after->count()) + " us into the " +
               (plan.kill_from == KillFrom::meeting ? "meeting" : "exchange");
  }
  return problem;
}

std::vector<std::string> run_phase(Phase& phase, Clock::time_point until, Random& random) {
  std::vector<std::string> problems;
  for (const auto& subject : subjects())
    if (const auto row = row_of(subject); subject.has_names && row.available && !row.traits.one_process)
      phase.tallies.emplace_back().subject = subject.label;
  constexpr std::size_t kMostProblems = 10;
  for (std::uint64_t round = 0; round < kMostRounds && Clock::now() < until && problems.size() < kMostProblems; ++round) {
    for (auto& tally : phase.tallies) {
      const auto subject = std::ranges::find(subjects(), tally.subject, &Subject::label);
      if (auto problem = run_round(*subject, tally, random); !problem.empty()) {
        std::printf("%s\n", problem.c_str());
        problems.push_back(std::move(problem));
      }
    }
  }
  for (const auto& tally : phase.tallies)
    if (tally.kills() < kFewestKills)
      problems.push_back(tally.subject + ", " + phase.name + ": only " + std::to_string(tally.kills()) + " kills");
  if (phase.tallies.empty()) problems.push_back(phase.name + ": no mechanism to kill a process of");
  return problems;
}

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

std::string date() {
  const std::time_t now = std::time(nullptr);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
  return text.data();
}

std::string describe(const Arguments& arguments, const std::vector<Phase>& phases, const std::vector<std::string>& problems) {
  utsname system{};
  uname(&system);
  std::string text = "Written by `make soak` on " + date() + ", commit " + arguments.commit + ", seed " +
                     std::to_string(seed()) + ", " + std::to_string(static_cast<int>(arguments.minutes)) + " minutes, Linux " +
                     std::string(system.release).substr(0, std::string(system.release).find('-')) + ", " +
                     std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) + " processors.\n\n";
  text +=
      "| phase | mechanism | rounds | kills at random | kills at points | messages | noticed, median ms | worst ms | "
      "above 100 ms | next connection, median ms | worst ms |\n"
      "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
  std::uint64_t kills = 0;
  std::uint64_t noticed_in_all = 0;
  std::uint64_t late = 0;
  for (const auto& phase : phases) {
    for (const auto& tally : phase.tallies) {
      const auto noticed = summary(tally.noticed);
      const auto reconnected = summary(tally.reconnected);
      kills += tally.kills();
      noticed_in_all += tally.noticed.size();
      late += tally.noticed_late();
      text += "| " + phase.name + " | `" + tally.subject + "` | " + std::to_string(tally.rounds) + " | " +
              std::to_string(tally.kills_at_random) + " | " + std::to_string(tally.kills_at_points) + " | " +
              std::to_string(tally.messages) + " | " + noticed.first + " | " + noticed.second + " | " +
              std::to_string(tally.noticed_late()) + " | " + reconnected.first + " | " + reconnected.second + " |\n";
    }
  }
  text += "\n" + std::to_string(kills) + " kills; of " + std::to_string(noticed_in_all) + " deaths in an exchange " +
          std::to_string(late) + " were noticed later than after 100 ms; " +
          (!problems.empty() ? std::to_string(problems.size()) + " problems:\n\n"
           : late != 0       ? "every other promise held.\n"
                             : "every promise held.\n");
  for (const auto& problem : problems) text += "- " + problem + "\n";
  return text;
}

// Replaces what stands between the markers of the page.
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

Arguments read_arguments(int count, char** words) {
  Arguments arguments;
  for (int at = 1; at + 1 < count; at += 2) {
    const std::string_view option = words[at];
    if (option == "--minutes") arguments.minutes = std::strtod(words[at + 1], nullptr);
    if (option == "--record") arguments.record = words[at + 1];
    if (option == "--commit") arguments.commit = words[at + 1];
  }
  return arguments;
}

int soak(const Arguments& arguments) {
  (void)Watchdog::instance();  // its descriptors are not what a round leaves behind
  Random random(seed());
  std::printf("SLUICE_SEED=%llu, %.1f minutes\n", static_cast<unsigned long long>(seed()), arguments.minutes);
  const auto half =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::ratio<60>>(arguments.minutes / 2));
  std::vector<Phase> phases;
  std::vector<std::string> problems;
  const auto run = [&](const std::string& name) {
    auto& phase = phases.emplace_back(Phase{name, {}});
    for (auto& problem : run_phase(phase, Clock::now() + half, random)) problems.push_back(std::move(problem));
  };
  {
    std::unique_ptr<Process> load;
    if (access(kStress, X_OK) == 0)
      load = std::make_unique<Process>(Process::Start{
          {kStress, "--quiet", "--cpu", "2", "--switch", "2", "--vm", "1", "--vm-bytes", "256M", "--timer", "1"}, {}, -1});
    run(load ? "under stress-ng" : "without load (no stress-ng)");
    if (load) load->signal(SIGTERM);  // it ends its own children
    if (load) (void)load->wait(patience());
  }
  if (auto problem = pin_to_one_core(); problem.empty()) {
    run("on one core");
  } else {
    problems.push_back("no phase on one core: " + problem);
  }
  const std::string text = describe(arguments, phases, problems);
  std::printf("%s", text.c_str());
  if (!arguments.record.empty() && !write_record(arguments.record, text)) {
    std::fprintf(stderr, "%s has no soak markers\n", arguments.record.c_str());
    return 1;
  }
  return problems.empty() ? 0 : 1;
}

}  // namespace
}  // namespace sluice_test

int main(int count, char** words) { return sluice_test::soak(sluice_test::read_arguments(count, words)); }
