#include "soak_kills.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iterator>
#include <optional>

#include "watchdog.hpp"

namespace sluice_test {
namespace {

using std::chrono::microseconds;

constexpr std::uint64_t kMostRounds = 1'000'000;  // the time ends it long before
constexpr std::uint64_t kFewestKills = 10;        // of a mechanism in a phase
constexpr std::size_t kMostProblems = 10;
constexpr std::uint64_t kWholeRounds =
    4;  // nobody is killed in the first ones: they tell how long it takes, and which points are

microseconds moment_of(microseconds whole, Random& random) {
  return microseconds(random.below(static_cast<std::uint64_t>(whole.count()) + 1));
}

// Where the next kill comes from: by turns a random moment (now and then of the meeting) and a named point, in each way in
// which ends come together.
KillPlan next_plan(const Subject& subject, Scratch& scratch, KillTally& tally, Random& random) {
  const auto ways = ways_to_meet(subject);
  KillPlan plan;
  plan.endpoint = subject.endpoint(scratch.folder(), scratch.unique_name());
  plan.seed = random.next();
  plan.what = ways[tally.rounds / 2 % ways.size()];
  plan.messages = 100 + random.below(400);
  plan.largest = random.below(8) == 0 ? 300'000 : 20'000;
  if (tally.rounds < kWholeRounds) return plan;
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

void count(const KillPlan& plan, const KillOutcome& outcome, KillTally& tally) {
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
std::string kill_and_meet_again(const KillPlan& plan, Scratch& scratch, KillTally& tally) {
  const auto outcome = run_kill_round(plan);
  count(plan, outcome, tally);
  scratch.note_objects();
  if (!outcome.problem.empty()) return outcome.problem;
  const auto started = Clock::now();
  if (auto problem = meet_once_more(plan.endpoint, plan.seed, plan.what); !problem.empty()) return problem;
  if (outcome.killed) tally.reconnected.push_back(std::chrono::duration_cast<microseconds>(Clock::now() - started));
  if (const auto left = scratch.leftovers(); !left.empty()) return "left behind: " + left.front();
  return {};
}

// One round; what went wrong, or empty. Whatever that is, the soak goes on and has it in its record.
std::string run_round(const Subject& subject, KillTally& tally, Random& random) {
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
  problem = subject.label + ", " + name_of(plan.what) + ", seed " + std::to_string(plan.seed) + ": " + problem;
  for (const auto& option : plan.peer_options) problem += " " + option;
  if (plan.kill_after) {
    problem += " killed " + std::to_string(plan.kill_after->count()) + " us into the " +
               (plan.kill_from == KillFrom::meeting ? "meeting" : "exchange");
  }
  return problem;
}

}  // namespace

std::uint64_t KillTally::noticed_late() const {
  return static_cast<std::uint64_t>(std::ranges::count_if(noticed, [](microseconds time) { return time > kNoticedWithin; }));
}

std::vector<std::string> run_kills(KillPhase& phase, Clock::time_point until, Random& random) {
  std::vector<std::string> problems;
  for (const auto& subject : subjects())
    if (const auto row = row_of(subject); row.available && !row.traits.one_process)
      phase.tallies.emplace_back().subject = subject.label;
  const auto goes_on = [&] { return Clock::now() < until && problems.size() < kMostProblems; };
  for (std::uint64_t round = 0; round < kMostRounds && goes_on(); ++round) {
    for (auto& tally : phase.tallies) {
      if (!goes_on()) break;
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

}  // namespace sluice_test
