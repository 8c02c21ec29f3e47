// One cell: the second process is started, round trips are timed one by one, then messages one way as a whole. Before each a
// tenth of its time is a warm-up, whose messages are checked as all others are.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "bench.hpp"
#include "bench_check.hpp"
#include "bench_end.hpp"
#include "bench_meeting.hpp"
#include "bench_samples.hpp"

namespace tool::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostSamples = 1'000'000;  // 8 MB; a tenth of a thousandth of them are 100
constexpr std::chrono::seconds kClosing{5};

std::int64_t nanoseconds(Clock::duration duration) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

// What two looks at the clock in a row are apart: it is in every duration that is measured so.
std::int64_t cost_of_clock() {
  constexpr std::size_t kLooks = 1001;
  Samples looks(kLooks);
  for (std::size_t i = 0; i < kLooks; ++i) {
    const auto first = Clock::now();
    looks.add(nanoseconds(Clock::now() - first));
  }
  return looks.quantile(0.5);
}

std::int64_t all_switches() noexcept {
  const ContextSwitches switches = context_switches();
  return switches.voluntary + switches.involuntary;
}

class Measurement {
 public:
  Measurement(const Cell& cell, Met met)
      : cell_(cell), peer_(std::move(met.peer)), end_(std::move(met.channel), cell), clock_ns_(cost_of_clock()) {
    outcome_.cell = cell;
    outcome_.clock_ns = clock_ns_;
  }

  [[nodiscard]] std::expected<Outcome, Failure> run();

 private:
  // What a phase has told, of both processes together.
  struct Phase {
    std::uint64_t sent{0};
    std::int64_t switches{0};
    double seconds{0};
  };

  [[nodiscard]] std::optional<Failure> check_peer();
  [[nodiscard]] sluice::Result<void> round_trips();
  [[nodiscard]] sluice::Result<void> echo(double seconds, std::size_t most, Samples& samples, Phase& phase);
  [[nodiscard]] sluice::Result<void> one_way();
  [[nodiscard]] sluice::Result<void> pour(double seconds, std::uint64_t most, Phase& phase);
  [[nodiscard]] sluice::Result<void> end_phase(Phase& phase, std::int64_t switches_before);
  void count(const Report& report, std::uint64_t sent) noexcept;
  [[nodiscard]] std::expected<Outcome, Failure> finish();
  [[nodiscard]] Clock::time_point after(double seconds) const {
    return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
  [[nodiscard]] std::uint64_t most(std::uint64_t otherwise) const noexcept { return cell_.most.value_or(otherwise); }

  const Cell& cell_;
  std::unique_ptr<ChildProcess> peer_;
  End end_;
  std::int64_t clock_ns_;
  Outcome outcome_;
};

constexpr double kWarmUp = 0.1;  // of the time of what follows
constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

std::expected<Outcome, Failure> Measurement::run() {
  if (auto refusal = check_peer()) return std::unexpected(*std::move(refusal));
  auto done = round_trips();
  if (done) done = one_way();
  if (!done) return std::unexpected(failure(done.error(), cell_.mechanism));
  return finish();
}

// Its first words: a report of nothing, with its process id.
std::optional<Failure> Measurement::check_peer() {
  const auto hello = end_.hear();
  if (!hello) return failure(hello.error(), cell_.mechanism);
  outcome_.process_ids = {own_process_id(), hello->process_id};
  const auto problem = not_two_processes(own_process_id(), hello->process_id, end_.channel().peer().process_id);
  if (!problem) return std::nullopt;
  return Failure{Exit::failed, fmt::format("{}: {}", cell_.mechanism, *problem)};
}

sluice::Result<void> Measurement::round_trips() {
  Samples samples(std::min<std::uint64_t>(most(kMostSamples), kMostSamples));
  Samples warm_up(1);
  Phase phase;
  if (auto done = echo(kWarmUp * cell_.seconds / 2, most(kMostSamples), warm_up, phase); !done) return done;
  if (auto done = echo(cell_.seconds / 2, most(kMostSamples), samples, phase); !done) return done;
  outcome_.round_trips = samples.count();
  outcome_.rtt_mean_ns = samples.mean();
  outcome_.rtt_min_ns = samples.quantile(0);
  outcome_.rtt_median_ns = samples.quantile(0.5);
  outcome_.rtt_p99_ns = samples.quantile(0.99);
  outcome_.rtt_p999_ns = samples.quantile(0.999);
  outcome_.switches_per_round_trip = static_cast<double>(phase.switches) / static_cast<double>(phase.sent);
  return {};
}

// Messages that are written and compared to their last byte are not timed, unless all are.
sluice::Result<void> Measurement::echo(double seconds, std::size_t most, Samples& samples, Phase& phase) {
  const std::int64_t switches_before = all_switches();
  if (auto ordered = end_.order(Order::echo); !ordered) return ordered;
  Checker checker(cell_.size, cell_.whole_every);
  const bool times_all = cell_.whole_every == 1;
  const auto end = after(seconds);
  std::uint64_t sequence = 0;
  for (auto now = Clock::now(); sequence < most && now < end; ++sequence) {
    const auto begun = Clock::now();
    if (auto sent = end_.send(sequence); !sent) return sent;
    if (auto received = end_.receive(checker); !received) return received.error();
    now = Clock::now();
    if (times_all || !checker.is_whole(sequence)) samples.add(std::max<std::int64_t>(nanoseconds(now - begun) - clock_ns_, 0));
  }
  outcome_.checked += checker.taken();
  outcome_.checked_whole += checker.whole();
  outcome_.errors += checker.errors();
  phase.sent = sequence;
  return end_phase(phase, switches_before);
}

sluice::Result<void> Measurement::one_way() {
  Phase phase;
  if (auto done = pour(kWarmUp * cell_.seconds / 2, most(kNoLimit), phase); !done) return done;
  if (auto done = pour(cell_.seconds / 2, most(kNoLimit), phase); !done) return done;
  outcome_.messages = phase.sent;
  outcome_.messages_per_s = static_cast<double>(phase.sent) / phase.seconds;
  outcome_.bytes_per_s = outcome_.messages_per_s * static_cast<double>(cell_.size);
  outcome_.switches_per_message = static_cast<double>(phase.switches) / static_cast<double>(phase.sent);
  return {};
}

// From before the first message is sent until the second process has said that it has taken the last.
sluice::Result<void> Measurement::pour(double seconds, std::uint64_t most, Phase& phase) {
  constexpr std::uint64_t kBetweenLooks = 16;  // at the clock, which takes as long as a small message
  const std::int64_t switches_before = all_switches();
  if (auto ordered = end_.order(Order::sink); !ordered) return ordered;
  const auto begun = Clock::now();
  const auto end = after(seconds);
  std::uint64_t sequence = 0;
  for (; sequence < most; ++sequence) {
    if (sequence % kBetweenLooks == 0 && sequence > 0 && Clock::now() >= end) break;
    if (auto sent = end_.send(sequence); !sent) return sent;
  }
  phase.sent = sequence;
  auto ended = end_phase(phase, switches_before);
  phase.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  return ended;
}

sluice::Result<void> Measurement::end_phase(Phase& phase, std::int64_t switches_before) {
  if (auto ordered = end_.order(Order::end); !ordered) return ordered;
  const auto report = end_.hear();
  if (!report) return report.error();
  phase.switches = all_switches() - switches_before + report->switches;
  count(*report, phase.sent);
  return {};
}

void Measurement::count(const Report& report, std::uint64_t sent) noexcept {
  outcome_.checked += report.taken;
  outcome_.checked_whole += report.whole;
  outcome_.errors += report.errors;
  // What is missing at the end leaves no gap that a later number would show.
  if (report.errors == 0 && report.taken != sent)
    outcome_.errors += std::max(report.taken, sent) - std::min(report.taken, sent);
}

std::expected<Outcome, Failure> Measurement::finish() {
  if (auto closed = end_.channel().close(kClosing); !closed) return std::unexpected(failure(closed.error(), cell_.mechanism));
  if (const int status = peer_->wait(); status != 0)
    return std::unexpected(Failure{Exit::failed, fmt::format("{}: the second process ended with {}", cell_.mechanism, status)});
  return outcome_;
}

}  // namespace

std::expected<Outcome, Failure> measure(const Cell& cell) {
  const auto begun = Clock::now();
  if (cell.processors[0] && !stay_on(*cell.processors[0]))
    return std::unexpected(Failure{Exit::failed, fmt::format("processor {} can't be had", *cell.processors[0])});
  auto met = start_peer(cell);
  if (!met) return std::unexpected(std::move(met.error()));
  const double setup_ms = std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
  Measurement measurement(cell, *std::move(met));
  auto outcome = measurement.run();
  if (!outcome) return outcome;
  outcome->setup_ms = setup_ms;
  if (auto failed = measure_deaths(cell, *outcome)) return std::unexpected(*std::move(failed));
  return outcome;
}

}  // namespace tool::bench
