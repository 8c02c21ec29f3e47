// The outcome of a benchmark: a table for people, or one JSON array.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sluice/version.hpp>

#include "bench.hpp"
#include "json.hpp"
#include "report.hpp"
#include "standard_streams.hpp"
#include "version.hpp"

namespace tool::bench {

namespace {

// Three digits and a unit: "155 ns", "10.2 us", "1.03 ms".
std::string duration_text(double nanoseconds) {
  constexpr std::array<std::string_view, 4> kUnits{"ns", "us", "ms", "s"};
  std::size_t unit = 0;
  for (; nanoseconds >= 1000 && unit + 1 < kUnits.size(); ++unit) nanoseconds /= 1000;
  const int decimals = unit == 0 || nanoseconds >= 100 ? 0 : nanoseconds >= 10 ? 1 : 2;
  return fmt::format("{:.{}f} {}", nanoseconds, decimals, kUnits[unit]);
}

std::string rate_text(double per_second) {
  if (per_second >= 1e6) return fmt::format("{:.2f} M", per_second / 1e6);
  return fmt::format("{:.1f} k", per_second / 1e3);
}

std::string processors_text(const Cell& cell) {
  if (!cell.processors[0] || !cell.processors[1]) return "left where the system puts them";
  return fmt::format("on processors {} and {}", *cell.processors[0], *cell.processors[1]);
}

template <class Number>
Json or_null(std::optional<Number> number) {
  return number ? Json(*number) : Json(nullptr);
}

// Nobody was killed, nothing is known.
Json of_deaths(const Cell& cell, std::int64_t noticed_ns) {
  return or_null(cell.deaths > 0 ? std::optional(noticed_ns) : std::nullopt);
}

std::string death_text(const Cell& cell, std::int64_t noticed_ns) {
  return cell.deaths > 0 ? duration_text(static_cast<double>(noticed_ns)) : "-";
}

std::string mechanism_text(const Cell& cell) {
  return cell.options.empty() ? cell.mechanism : cell.mechanism + "?" + cell.options;
}

}  // namespace

void print_heading(const std::vector<Cell>& cells) {
  const Cell& first = cells.front();
  const bool all_whole = std::ranges::all_of(cells, [](const Cell& cell) { return cell.whole_every == 1; });
  print(stdout, "Two processes, {}; {}. Every message is checked: its number\n", processors_text(first),
        first.in_place ? "messages written and read in place" : "messages copied in and out");
  if (all_whole) {
    print(stdout, "and all of its bytes. ");
  } else {
    print(stdout,
          "and all of its bytes up to {}; beyond that both ends and 64 bytes that move on, and all in one of {}, not timed.\n",
          kWholeUpTo, kWholeEvery);
  }
  print(stdout, "Round trips without the clock's share. Switches: of context, of both.\n");
  print(stdout, "Death: from the kill of the second process until this one is told; median and worst of {}.\n\n", first.deaths);
  print(stdout, "{:<14} {:>8} {:<5}  {:>9} {:>9} {:>9} {:>9}  {:>9} {:>10} {:>9}  {:>7} {:>7}  {:>6}\n", "mechanism", "size",
        "mode", "rtt p50", "p99", "p99.9", "switches", "msg/s", "MB/s", "switches", "death", "worst", "errors");
}

void print_row(const Outcome& outcome) {
  constexpr double kMega = 1e6;
  const Cell& cell = outcome.cell;
  print(stdout, "{:<14} {:>8} {:<5}  {:>9} {:>9} {:>9} {:>9.2f}  {:>9} {:>10.1f} {:>9.3f}  {:>7} {:>7}  {:>6}\n",
        mechanism_text(cell), size_text(cell.size), name(cell.mode), duration_text(static_cast<double>(outcome.rtt_median_ns)),
        duration_text(static_cast<double>(outcome.rtt_p99_ns)), duration_text(static_cast<double>(outcome.rtt_p999_ns)),
        outcome.switches_per_round_trip, rate_text(outcome.messages_per_s), outcome.bytes_per_s / kMega,
        outcome.switches_per_message, death_text(cell, outcome.death_noticed_median_ns),
        death_text(cell, outcome.death_noticed_worst_ns), outcome.errors);
  (void)std::fflush(stdout);  // a row is there as soon as it is measured
}

void print_json(const std::vector<Outcome>& outcomes) {
  Json rows = Json::array();
  for (const Outcome& outcome : outcomes) {
    const Cell& cell = outcome.cell;
    rows.push_back({{"mechanism", cell.mechanism},
                    {"options", cell.options},
                    {"size", cell.size},
                    {"mode", name(cell.mode)},
                    {"in_place", cell.in_place},
                    {"rtt_min_ns", outcome.rtt_min_ns},
                    {"rtt_median_ns", outcome.rtt_median_ns},
                    {"rtt_p99_ns", outcome.rtt_p99_ns},
                    {"rtt_p999_ns", outcome.rtt_p999_ns},
                    {"rtt_mean_ns", outcome.rtt_mean_ns},
                    {"round_trips", outcome.round_trips},
                    {"clock_ns", outcome.clock_ns},
                    {"messages", outcome.messages},
                    {"messages_per_s", outcome.messages_per_s},
                    {"bytes_per_s", outcome.bytes_per_s},
                    {"context_switches_per_round_trip", outcome.switches_per_round_trip},
                    {"context_switches_per_message", outcome.switches_per_message},
                    {"deaths", cell.deaths},
                    {"death_noticed_median_ns", of_deaths(cell, outcome.death_noticed_median_ns)},
                    {"death_noticed_worst_ns", of_deaths(cell, outcome.death_noticed_worst_ns)},
                    {"errors", outcome.errors},
                    {"checked", outcome.checked},
                    {"checked_whole", outcome.checked_whole},
                    {"pids", outcome.process_ids},
                    {"cpus", {or_null(cell.processors[0]), or_null(cell.processors[1])}},
                    {"seconds", cell.seconds},
                    {"setup_ms", outcome.setup_ms},
                    {"version", SLUICE_VERSION},
                    {"commit", built_commit()}});
  }
  tool::print(rows);
}

}  // namespace tool::bench
