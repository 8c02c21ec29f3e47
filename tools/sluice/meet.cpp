// Meeting the other process.
#include "meet.hpp"

#include <fmt/format.h>

#include <utility>

namespace tool {

bool is_handed_over(std::string_view endpoint) { return endpoint.starts_with("pipe:"); }

std::expected<Met, Failure> meet(const std::string& endpoint, const std::vector<std::string>& program,
                                 sluice::Deadline deadline) {
  if (!program.empty()) {
    auto child = sluice::spawn(endpoint, program, deadline);
    if (!child) return std::unexpected(failure(child.error(), endpoint));
    return Met{std::move(child->channel), std::move(child->process)};
  }
  sluice::Options waiting;
  waiting.wait_for_listener = true;
  auto channel = is_handed_over(endpoint) ? sluice::inherited({}, deadline) : sluice::connect(endpoint, deadline, waiting);
  if (!channel) return std::unexpected(failure(channel.error(), endpoint));
  return Met{*std::move(channel), std::nullopt};
}

std::expected<void, Failure> see_off(Met& met, const std::string& endpoint, sluice::Deadline deadline) {
  if (!met.process) return {};
  const auto ended = met.process->wait(deadline);
  if (!ended) return std::unexpected(failure(ended.error(), endpoint));
  if (ended->status == 0) return {};
  return std::unexpected(Failure{Exit::failed, fmt::format("the program at {} ended with {}", endpoint, ended->status)});
}

}  // namespace tool
