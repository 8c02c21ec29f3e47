// Promise 6: kills at every named point of the library (links/fault.hpp), and at random moments, each followed at once by a new
// listen and connect on the same endpoint.
#include <algorithm>

#include "death.hpp"
#include "fault_points.hpp"
#include "kill_round.hpp"

namespace sluice_test {
namespace {

class KillMoments : public DeathTest {
 protected:
  KillPlan plan_for(PeerDoes what) {
    KillPlan plan;
    plan.endpoint = endpoint();
    plan.seed = test_seed();
    plan.what = what;
    return plan;
  }

  // One kill and what must follow; how it went.
  KillOutcome check(const KillPlan& plan) {
    const auto outcome = run_kill_round(plan);
    EXPECT_EQ(outcome.problem, "");
    scratch().note_objects();  // TearDown looks whether they are gone
    EXPECT_EQ(meet_once_more(plan.endpoint, plan.seed, plan.what), "");
    return outcome;
  }
};
INSTANTIATE_TEST_SUITE_P(Promise6, KillMoments, testing::ValuesIn(subjects()), label_of);

TEST_P(KillMoments, NamedPoints) {
  if (answered()) return;
  if (!fault_points::are_built_in()) GTEST_SKIP() << "built without fault points";
  std::uint64_t kills = 0;
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto plan = plan_for(what);
    plan.messages = 60;
    const auto whole = run_kill_round(plan);
    ASSERT_EQ(whole.problem, "");
    ASSERT_FALSE(whole.killed);
    ASSERT_FALSE(whole.points.empty()) << "the library passes no named point";
    for (const auto& [name, count] : whole.points) {
      // The first passing, one in the middle, the last.
      std::vector<std::uint64_t> passings{1, count / 2, count};
      passings.erase(std::unique(passings.begin(), passings.end()), passings.end());
      for (const std::uint64_t passing : passings) {
        if (passing == 0) continue;
        SCOPED_TRACE(name + ":" + std::to_string(passing) + (what == PeerDoes::listen ? " listening" : " connecting"));
        plan.peer_options = {"--kill-at", name + ":" + std::to_string(passing)};
        kills += check(plan).killed ? 1U : 0U;
        ASSERT_FALSE(HasFailure());
      }
    }
    note(what == PeerDoes::connect ? "points_connecting" : "points_listening", whole.points.size());
  }
  note("kills", kills);
  EXPECT_GT(kills, 0U);
}

TEST_P(KillMoments, Random) {
  if (answered()) return;
  const std::uint64_t rounds = scaled(60, 8);
  Random random(test_seed());
  std::vector<std::chrono::microseconds> noticed;
  std::uint64_t kills = 0;
  auto usual = std::chrono::microseconds(0);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    auto plan = plan_for(round % 2 == 0 ? PeerDoes::connect : PeerDoes::listen);
    if (round < 2) {
      const auto whole = run_kill_round(plan);
      ASSERT_EQ(whole.problem, "");
      usual = std::max(usual, whole.took);
      note("whole_round_us", static_cast<std::uint64_t>(whole.took.count()));
    }
    plan.kill_after = std::chrono::microseconds(random.below(static_cast<std::uint64_t>(usual.count()) + 1));
    SCOPED_TRACE("round " + std::to_string(round) + ", after " + std::to_string(plan.kill_after->count()) + " us");
    const auto outcome = check(plan);
    ASSERT_FALSE(HasFailure());
    kills += outcome.killed ? 1U : 0U;
    if (outcome.noticed) noticed.push_back(*outcome.noticed);
  }
  note("kills", kills);
  std::sort(noticed.begin(), noticed.end());
  if (noticed.empty()) return;
  note("noticed_median_us", static_cast<std::uint64_t>(noticed[noticed.size() / 2].count()));
  note("noticed_worst_us", static_cast<std::uint64_t>(noticed.back().count()));
}

}  // namespace
}  // namespace sluice_test
