// Promise 6: kills at every named point of the library (links/fault.hpp), and at random moments, each followed at once by a new
// listen and connect on the same endpoint, or, where nobody can listen, by a new end that is handed over.
#include <algorithm>
#include <map>
#include <set>

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

// ---- named points --------------------------------------------------------------------------------------------------------

using Names = std::set<std::string>;

// What a peer passes in a whole round. A point that is no longer reached is missed here.
Names expected_points(const Subject& subject, PeerDoes what) {
  const auto traits = row_of(subject).traits;
  Names names{"between-records", "after-take", "after-goodbye"};
  if (subject.shape() == sluice::Shape::region)
    names.insert({"before-publish", "after-publish", "after-ring", "after-release"});
  if (what == PeerDoes::listen) {
    names.insert({"before-listen", "after-bind", "before-offer"});
    if (!subject.makes_at.empty()) names.insert(subject.makes_at);
  } else if (what == PeerDoes::connect && traits.lobby) {
    names.insert("after-take-offer");
  }
  return names;
}

// Some points are passed only now and then (a bell is rung only for an end that sleeps): as often as a round is repeated.
constexpr int kTries = 10;

class KillPoints : public KillMoments {
 protected:
  // A round in which messages go whole and in pieces, over every shape: a piece is at most 64 KiB, or half of the ring.
  KillPlan plan_with_large_messages(PeerDoes what) {
    constexpr std::size_t kInPieces = std::size_t{64} << 10;
    auto plan = plan_for(what);
    plan.messages = 60;
    plan.largest = 200'000;
    plan.capacity = kInPieces;
    const auto has_large = [&] {
      const Sizes sizes{0, plan.largest};
      for (std::uint64_t number = 0; number < plan.messages; ++number)
        if (sizes.of(plan.seed ^ mix(kStreamFromPeer), number) > kInPieces) return true;
      return false;
    };
    while (!has_large()) ++plan.seed;
    return plan;
  }

  // What a peer passes in whole rounds, until all of `wanted` was seen: name, passings in the last round that had it.
  std::map<std::string, std::uint64_t> passed_in_whole_rounds(const KillPlan& plan, const Names& wanted) {
    std::map<std::string, std::uint64_t> passed;
    const auto is_missing = [&](const std::string& name) { return !passed.contains(name); };
    for (int round = 0; round < kTries && std::ranges::any_of(wanted, is_missing); ++round) {
      const auto whole = run_kill_round(plan);
      EXPECT_EQ(whole.problem, "");
      EXPECT_FALSE(whole.killed);
      for (const auto& [name, count] : whole.points) passed[name] = count;
      if (HasFailure()) break;
    }
    return passed;
  }

  bool kill_at(KillPlan plan, const std::string& name, std::uint64_t passing) {
    SCOPED_TRACE(name + ":" + std::to_string(passing) + " " + name_of(plan.what));
    plan.peer_options = {"--kill-at", name + ":" + std::to_string(passing)};
    return check(plan).killed;
  }
};
INSTANTIATE_TEST_SUITE_P(Promise6, KillPoints, testing::ValuesIn(subjects()), label_of);

TEST_P(KillPoints, EachAtItsFirstAMiddleAndItsLastPassing) {
  if (answered()) return;
  if (!fault_points::are_built_in()) GTEST_SKIP() << "built without fault points";
  Names passed;
  Names expected;
  std::uint64_t kills = 0;
  for (const auto what : ways_to_meet(subject())) {
    const auto plan = plan_with_large_messages(what);
    const auto expected_here = expected_points(subject(), what);
    expected.insert(expected_here.begin(), expected_here.end());
    const auto points = passed_in_whole_rounds(plan, expected_here);
    ASSERT_FALSE(HasFailure());
    for (const auto& [name, count] : points) {
      passed.insert(name);
      bool killed = false;
      for (int round = 0; round < kTries && !killed && !HasFailure(); ++round) killed = kill_at(plan, name, 1);
      EXPECT_TRUE(killed) << "no kill at " << name;
      kills += killed ? 1U : 0U;
      // How often a point is passed differs from round to round: these may come to their orderly end.
      for (const std::uint64_t passing : std::set<std::uint64_t>{count / 2, count})
        if (passing > 1 && !HasFailure()) kills += kill_at(plan, name, passing) ? 1U : 0U;
      ASSERT_FALSE(HasFailure());
    }
    note(std::string("points_") + name_of(what), points.size());
  }
  note("kills", kills);
  EXPECT_EQ(passed, expected);
}

// ---- random moments ------------------------------------------------------------------------------------------------------

TEST_P(KillMoments, Random) {
  if (answered()) return;
  const std::uint64_t rounds = scaled(60, 8);
  const auto ways = ways_to_meet(subject());
  Random random(test_seed());
  // How long each part takes when nobody is killed.
  auto meeting = std::chrono::microseconds(0);
  auto exchange = std::chrono::microseconds(0);
  for (const auto what : ways) {
    const auto whole = run_kill_round(plan_for(what));
    ASSERT_EQ(whole.problem, "");
    ASSERT_EQ(whole.code, "closed");
    meeting = std::max(meeting, whole.meeting_took);
    exchange = std::max(exchange, whole.exchange_took);
  }
  note("meeting_us", static_cast<std::uint64_t>(meeting.count()));
  note("exchange_us", static_cast<std::uint64_t>(exchange.count()));
  const auto moment_of = [&](std::chrono::microseconds whole) {
    return std::chrono::microseconds(random.below(static_cast<std::uint64_t>(whole.count()) + 1));
  };
  std::vector<std::chrono::microseconds> noticed;
  std::uint64_t kills = 0;
  std::uint64_t mid_exchange = 0;
  std::uint64_t reported = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    auto plan = plan_for(ways[round / 4 % ways.size()]);
    switch (round % 4) {
      case 0:
        plan.kill_from = KillFrom::meeting;
        plan.kill_after = moment_of(meeting);
        break;
      case 1:
        plan.kill_at_message = random.below(plan.messages);  // however fast the machine is, some of them come half-way
        break;
      default:
        plan.kill_after = moment_of(exchange);
        break;
    }
    SCOPED_TRACE("round " + std::to_string(round));
    const auto outcome = check(plan);
    ASSERT_FALSE(HasFailure());
    kills += outcome.killed ? 1U : 0U;
    mid_exchange += outcome.ended_mid_exchange() ? 1U : 0U;
    reported += outcome.reported;
    if (outcome.noticed) noticed.push_back(*outcome.noticed);
  }
  note("kills", kills);
  note("mid_exchange", mid_exchange);
  note("in_the_channel_at_kills", reported);
  EXPECT_EQ(kills, rounds);
  EXPECT_GT(mid_exchange, 0U);
  EXPECT_GT(reported, 0U);
  // How late at most is a matter of each round (noticed_at_latest); here it is told.
  ASSERT_FALSE(noticed.empty());
  std::sort(noticed.begin(), noticed.end());
  note("noticed_median_us", static_cast<std::uint64_t>(noticed[noticed.size() / 2].count()));
  note("noticed_worst_us", static_cast<std::uint64_t>(noticed.back().count()));
}

}  // namespace
}  // namespace sluice_test
