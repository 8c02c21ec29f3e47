// Conduct: how one end of a channel behaves, whatever the other one does. What its options choose, and no peer is told.
#pragma once

#include <chrono>
#include <optional>

#include <sluice/options.hpp>

namespace sluice::inline v0::core {

struct Conduct {
  bool untrusted{false};                          // messages are private copies
  Senders senders{Senders::one};                  // how many threads may send
  std::optional<std::chrono::microseconds> spin;  // how long a wait tries before it sleeps; none: as the shape has it
};

// The longest time that anybody may ask a call to spin: what is longer is a slip of the pen.
inline constexpr std::chrono::microseconds kMaxSpin = std::chrono::minutes{1};

}  // namespace sluice::inline v0::core
