// What `sluice bench` measures: a cell is one mechanism, size and way of waiting, between this process and a second one that
// it starts (the hidden subcommand `bench-peer`).
#pragma once

#include <CLI/CLI.hpp>
#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench_check.hpp"
#include "processes.hpp"
#include "report.hpp"

namespace tool::bench {

enum class Mode {
  sleep,  // calls that wait, as programs make them
  spin,   // tries (Deadline::now()) in a loop
};

[[nodiscard]] constexpr std::string_view name(Mode mode) noexcept { return mode == Mode::sleep ? "sleep" : "spin"; }

struct Cell {
  std::string mechanism;
  std::string options;  // of both ends, as in an endpoint's text: "spin=0&max_message=128M"
  std::size_t size{64};
  Mode mode{Mode::sleep};
  bool in_place{false};  // views and loans, else the caller's own memory
  std::uint64_t whole_every{kWholeEvery};
  double seconds{1};                             // that the two measurements take together, warm-up aside
  std::optional<std::uint64_t> most;             // round trips, and messages
  std::uint64_t deaths{5};                       // how often a second process is killed, besides
  std::array<std::optional<int>, 2> processors;  // of this process and of the second one; empty: anywhere
  bool yields{false};                            // there is one processor: who spins leaves it to the other
  std::optional<std::uint64_t> corrupt;          // of this message a byte in the middle is sent wrong: proves the check
};

struct Outcome {
  Cell cell;
  std::array<std::int64_t, 2> process_ids{};
  std::uint64_t round_trips{0};  // that were timed
  std::int64_t rtt_min_ns{0};
  std::int64_t rtt_median_ns{0};
  std::int64_t rtt_p99_ns{0};
  std::int64_t rtt_p999_ns{0};
  double rtt_mean_ns{0};
  std::int64_t clock_ns{0};  // what a look at the clock takes, which the above are without
  std::uint64_t messages{0};
  double messages_per_s{0};
  double bytes_per_s{0};
  // Of both processes together.
  double switches_per_round_trip{0};
  double switches_per_message{0};
  std::uint64_t checked{0};        // messages held to sequence and content, of all phases, both ways
  std::uint64_t checked_whole{0};  // … of them to their last byte
  std::uint64_t errors{0};
  // From the kill of a second process until the channel says peer_died. 0 if none was killed.
  std::int64_t death_noticed_median_ns{0};
  std::int64_t death_noticed_worst_ns{0};
  double setup_ms{0};  // from before the second process is started until its first message is here
};

// Starts the second process, measures, and waits for its end; then kills some more.
[[nodiscard]] std::expected<Outcome, Failure> measure(const Cell& cell);
// How long it takes to notice the death of the second process, of one that is started for each kill.
[[nodiscard]] std::optional<Failure> measure_deaths(const Cell& cell, Outcome& outcome);

void print_heading(const std::vector<Cell>& cells);
void print_row(const Outcome& outcome);
void print_json(const std::vector<Outcome>& outcomes);

}  // namespace tool::bench
