// How the two processes of a benchmark meet: in a place of their own, over any mechanism.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include <sluice/channel.hpp>

#include "bench.hpp"

namespace tool::bench {

struct Met {
  sluice::Channel channel;
  std::unique_ptr<ChildProcess> peer;
};

// Starts the second process, tells it what is to be measured and where to meet, and waits until it is there.
[[nodiscard]] std::expected<Met, Failure> start_peer(const Cell& cell);

// In the second process: its end of the channel. `endpoint` is what start_peer() has told it.
[[nodiscard]] std::expected<sluice::Channel, Failure> join(const std::string& endpoint);

}  // namespace tool::bench
