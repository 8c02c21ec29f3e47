// One kill: a peer and this process meet, exchange messages both ways, and the peer is killed somewhere on the way. What this
// process saw must be a beginning of what was sent, then the end. Used by the tests and by the soak.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conformance.hpp"

namespace sluice_test {

struct KillPlan {
  std::string endpoint;
  std::uint64_t seed{0};
  PeerDoes what{PeerDoes::connect};
  std::vector<std::string> peer_options;                // --kill-at NAME:N
  std::optional<std::chrono::microseconds> kill_after;  // from the start of the exchange
  std::uint64_t messages{300};                          // each way, of mixed sizes
  std::uint64_t largest{20'000};
};

struct KillOutcome {
  bool killed{false};  // the peer ended by SIGKILL; else it came to its orderly end
  bool met{false};     // a channel was there
  std::uint64_t received{0};
  std::uint64_t sent{0};
  std::string code;                                  // how receiving ended
  std::optional<std::chrono::microseconds> noticed;  // from the kernel's release (pidfd readable) to the end of receiving
  std::chrono::microseconds took{0};                 // the whole round
  std::map<std::string, std::uint64_t> points;       // passed by the peer, where it lived long enough to say so
  std::string problem;                               // empty: all as promised
};

[[nodiscard]] KillOutcome run_kill_round(const KillPlan& plan);

// After a kill: the next listen and connect on the same endpoint, one message each way. What went wrong, or empty.
[[nodiscard]] std::string meet_once_more(const std::string& endpoint, std::uint64_t seed, PeerDoes what);

}  // namespace sluice_test
