// How subcommands come to a channel: by connecting, by starting a program that has the other end, or as such a program.
#pragma once

#include <expected>
#include <optional>
#include <sluice/process.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "outcome.hpp"

namespace tool {

// A channel, and the program that was started with its other end, if one was.
struct Met {
  sluice::Channel channel;
  std::optional<sluice::Process> process;
};

// Whether nobody can listen there: both ends are made at once, and one is handed to a program (`pipe:`).
[[nodiscard]] bool is_handed_over(std::string_view endpoint);

// With a program: starts it with the other end, and waits until it has claimed that. Without: connects, waiting for the
// listener; or claims the end that the program which has started this one handed over, where is_handed_over().
[[nodiscard]] std::expected<Met, Failure> meet(const std::string& endpoint, const std::vector<std::string>& program,
                                               sluice::Deadline deadline);

// Once the channel is closed: how the program has ended, if not well.
[[nodiscard]] std::expected<void, Failure> see_off(Met& met, const std::string& endpoint, sluice::Deadline deadline);

}  // namespace tool
