// How long it takes to notice that the other process has died: from the kill until this end, which waits in the cell's mode,
// is told peer_died. What the kernel takes to let go of the dead process is in it.
#include <fmt/format.h>

#include <chrono>

#include "bench.hpp"
#include "bench_end.hpp"
#include "bench_meeting.hpp"
#include "bench_samples.hpp"

namespace tool::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLongest{10};  // far above what is promised, 100 ms: then it is an error
constexpr int kKilled = 128 + 9;              // ChildProcess::wait(), by SIGKILL

std::expected<std::int64_t, Failure> notice_one(const Cell& cell) {
  auto met = start_peer(cell);
  if (!met) return std::unexpected(std::move(met.error()));
  End end(std::move(met->channel), cell);
  if (const auto hello = end.hear(); !hello) return std::unexpected(failure(hello.error(), cell.mechanism));
  const auto killed = Clock::now();
  met->peer->kill();
  const sluice::Errc code = end.wait_for_end(killed + kLongest);
  const auto noticed = Clock::now() - killed;
  if (code != sluice::Errc::peer_died) {
    return std::unexpected(Failure{
        Exit::failed, fmt::format("{}: the second process was killed, and the channel's end is {} instead of peer_died: "
                                  "this is an error of Sluice; please report it",
                                  cell.mechanism, sluice::name(code))});
  }
  if (const int status = met->peer->wait(); status != kKilled)
    return std::unexpected(Failure{Exit::failed, fmt::format("{}: the second process ended with {}", cell.mechanism, status)});
  return std::chrono::duration_cast<std::chrono::nanoseconds>(noticed).count();
}

}  // namespace

std::optional<Failure> measure_deaths(const Cell& cell, Outcome& outcome) {
  Samples samples(cell.deaths);
  while (!samples.is_full()) {
    const auto noticed = notice_one(cell);
    if (!noticed) return noticed.error();
    samples.add(*noticed);
  }
  outcome.death_noticed_median_ns = samples.quantile(0.5);
  outcome.death_noticed_worst_ns = samples.quantile(1);
  return std::nullopt;
}

}  // namespace tool::bench
