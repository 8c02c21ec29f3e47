// One kill: a peer and this process meet, exchange messages both ways, and the peer is killed somewhere on the way. What this
// process saw must be a beginning of what was sent, with everything that was in the channel at the kill, then the end, and that
// soon. Used by the tests and by the soak.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conformance.hpp"

namespace sluice_test {

// The stream of messages that the peer sends.
inline constexpr std::uint64_t kStreamFromPeer = 2;

// What promise 6 allows between the kernel's release and peer_died. On a machine with more to do than it can, this process may
// have to wait longer than that for a processor: what is above is told.
inline constexpr std::chrono::microseconds kNoticedWithin{100'000};
// … and what is above this is no matter of load, and a problem of its round: 2 s, but for sanitizers.
[[nodiscard]] inline std::chrono::microseconds noticed_at_latest() { return patience() / 5; }

// The ways in which ends of this subject come together.
[[nodiscard]] std::vector<PeerDoes> ways_to_meet(const Subject& subject);
// "connecting", "listening", "inheriting".
[[nodiscard]] const char* name_of(PeerDoes what) noexcept;

// Where the time to a kill begins.
enum class KillFrom { meeting, exchange };

struct KillPlan {
  std::string endpoint;
  std::uint64_t seed{0};
  PeerDoes what{PeerDoes::connect};
  // Whence the kill comes, if there is one: at a named point, after a time, or once so many messages were received. A peer that
  // outlives its round is killed at the end of it, where the kill was to come from this side.
  std::vector<std::string> peer_options;  // --kill-at NAME:N
  std::optional<std::chrono::microseconds> kill_after;
  KillFrom kill_from{KillFrom::exchange};
  std::optional<std::uint64_t> kill_at_message;
  std::uint64_t messages{300};  // each way, of mixed sizes
  std::uint64_t largest{20'000};
  std::optional<std::size_t> capacity;  // of the channel

  [[nodiscard]] bool kills_from_here() const noexcept { return kill_after || kill_at_message; }
};

struct KillOutcome {
  bool killed{false};  // the peer ended by SIGKILL; else it came to its orderly end
  bool met{false};     // a channel was there
  std::uint64_t received{0};
  std::uint64_t sent{0};
  std::uint64_t reported{0};                         // messages that the peer knew to be in the channel, whole
  std::string code;                                  // how receiving ended
  std::optional<std::chrono::microseconds> noticed;  // from the kernel's release (pidfd readable) to the end of receiving
  std::chrono::microseconds meeting_took{0};
  std::chrono::microseconds exchange_took{0};   // to its orderly end, or the kill
  std::map<std::string, std::uint64_t> points;  // passed by the peer, where it lived to the end of the round
  std::string problem;                          // empty: all as promised

  // The peer died after both had met, and before it had said that it sends no more.
  [[nodiscard]] bool ended_mid_exchange() const { return met && code == "peer_died"; }
};

[[nodiscard]] KillOutcome run_kill_round(const KillPlan& plan);

// After a kill: the next listen and connect on the same endpoint (or the next end that is handed over), one message each way.
// What went wrong, or empty.
[[nodiscard]] std::string meet_once_more(const std::string& endpoint, std::uint64_t seed, PeerDoes what);

}  // namespace sluice_test
