// The soak's kills: for as long as a phase lasts, a peer of each mechanism in turn is killed, at a random moment or at a named
// point, and both ends meet again at once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kill_round.hpp"

namespace sluice_test {

// What happened to one mechanism in one phase.
struct KillTally {
  std::string subject;
  std::uint64_t rounds{0};
  std::uint64_t kills_at_random{0};
  std::uint64_t kills_at_points{0};
  std::uint64_t messages{0};
  std::vector<std::chrono::microseconds> noticed;
  std::vector<std::chrono::microseconds> reconnected;
  std::map<std::string, std::uint64_t> points;  // of the last whole round: name, passings
  std::chrono::microseconds usual_meeting{0};   // in whole rounds
  std::chrono::microseconds usual_exchange{0};

  [[nodiscard]] std::uint64_t kills() const noexcept { return kills_at_random + kills_at_points; }
  [[nodiscard]] std::uint64_t noticed_late() const;
};

struct KillPhase {
  std::string name;
  std::vector<KillTally> tallies;
};

// Fills the phase's tallies: one for each mechanism that is here and has two processes. Returns what went wrong, to be read by
// people; a mechanism that was killed hardly ever is among it, for it proves nothing.
[[nodiscard]] std::vector<std::string> run_kills(KillPhase& phase, Clock::time_point until, Random& random);

}  // namespace sluice_test
