// Where the two processes meet: a path in a folder of this run, a name that nobody else has, a port that the system picks.
#include "bench_meeting.hpp"

#include <fmt/format.h>

#include <chrono>
#include <random>
#include <sluice/process.hpp>
#include <string_view>

namespace tool::bench {

namespace {

constexpr std::chrono::seconds kPatience{20};         // until the second process is there, on a busy machine
constexpr std::string_view kInherited = "inherited";  // instead of an endpoint; and the name of what is inherited

// What stands behind the colon. Mechanisms not named here take a name.
std::string place_of(std::string_view mechanism, const std::string& folder, const std::string& unique) {
  for (const std::string_view takes_path : {"unix", "seqpacket", "fifo", "file", "sysvshm", "sysvmq"})
    if (mechanism == takes_path) return fmt::format("{}/{}", folder, unique);
  if (mechanism == "tcp") return "127.0.0.1:0";
  if (mechanism == "mq") return "/" + unique;
  return unique;
}

std::string unique_name() {
  std::random_device random;
  return fmt::format("sluice-bench-{:08x}{:08x}", random(), random());
}

std::string with_options(const std::string& endpoint, const std::string& options) {
  return options.empty() ? endpoint : fmt::format("{}?{}", endpoint, options);
}

Failure cannot_start(const std::string& mechanism, int code) {
  return {Exit::failed, fmt::format("{}: can't start the second process: {}", mechanism, system_text(code))};
}

std::vector<std::string> arguments_of(const Cell& cell) {
  std::vector<std::string> arguments{"bench-peer",
                                     "--mode",
                                     std::string(name(cell.mode)),
                                     "--size",
                                     fmt::format("{}", cell.size),
                                     "--whole-every",
                                     fmt::format("{}", cell.whole_every),
                                     "--seconds",
                                     fmt::format("{}", cell.seconds)};
  if (cell.in_place) arguments.emplace_back("--in-place");
  if (cell.yields) arguments.emplace_back("--yields");
  if (cell.processors[1]) arguments.insert(arguments.end(), {"--processor", fmt::format("{}", *cell.processors[1])});
  return arguments;
}

// The second process inherits its end: for what nobody can connect to.
std::expected<Met, Failure> start_heir(const Cell& cell) {
  const std::string endpoint = with_options(cell.mechanism + ":", cell.options);
  auto ends = sluice::child_end(endpoint, kInherited);
  if (!ends) return std::unexpected(failure(ends.error(), endpoint));
  auto arguments = arguments_of(cell);
  arguments.emplace_back(kInherited);
  auto peer = start_self(arguments, ends->launch.handles, ends->launch.environment);
  if (!peer) return std::unexpected(cannot_start(cell.mechanism, peer.error()));
  return Met{std::move(ends->channel), *std::move(peer)};
}

}  // namespace

std::expected<Met, Failure> start_peer(const Cell& cell) {
  if (cell.mechanism == "pipe") return start_heir(cell);
  const ScratchFolder folder;
  if (folder.path().empty())
    return std::unexpected(Failure{Exit::failed, "can't make a folder to meet in; set TMPDIR to one that may be written to"});
  const std::string place = place_of(cell.mechanism, folder.path(), unique_name());
  const std::string endpoint = with_options(cell.mechanism + ":" + place, cell.options);
  auto listener = sluice::listen(endpoint);
  if (!listener) return std::unexpected(failure(listener.error(), endpoint));
  auto arguments = arguments_of(cell);
  arguments.push_back(with_options(listener->endpoint(), cell.options));  // with the real port
  auto peer = start_self(arguments, {}, {});
  if (!peer) return std::unexpected(cannot_start(cell.mechanism, peer.error()));
  auto channel = listener->accept(kPatience);
  if (!channel) return std::unexpected(failure(channel.error(), endpoint));
  return Met{*std::move(channel), *std::move(peer)};
}

std::expected<sluice::Channel, Failure> join(const std::string& endpoint) {
  auto channel = endpoint == kInherited ? sluice::inherited(kInherited, kPatience) : sluice::connect(endpoint, kPatience);
  if (!channel) return std::unexpected(failure(channel.error(), endpoint));
  return *std::move(channel);
}

}  // namespace tool::bench
