// sluice bench: round trip and throughput between two processes, over any mechanisms and sizes.
#include "bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <sluice/mechanisms.hpp>
#include <string_view>

#include "command.hpp"
#include "report.hpp"

namespace tool {

namespace {

using bench::Cell;
using bench::Mode;
using bench::Outcome;

constexpr std::string_view kExamples =
    "MECHANISM may carry options of both ends, as an endpoint does: 'shm?spin=0'.\n"
    "\n"
    "Examples:\n"
    "  sluice bench                                     all that this machine has\n"
    "  sluice bench unix shm --size 64,1K,64K,1M --mode sleep\n"
    "  sluice bench --json | jq '.[] | [.mechanism, .size, .rtt_median_ns]'\n"
    "\n"
    "docs/bench.md tells how to read it.";

struct Chosen {
  std::vector<std::string> mechanisms;  // as they were typed
  std::vector<std::size_t> sizes{64, 65536};
  std::vector<Mode> modes;
  std::vector<int> processors;
  bool json{false};
  bool in_place{false};
  bool whole{false};
  double seconds{1};
  std::optional<std::uint64_t> rounds;
  std::uint64_t deaths{5};
  std::optional<std::uint64_t> corrupt;
};

// What this machine has, but for what stays in one process.
std::vector<std::string> all_available() {
  std::vector<std::string> names;
  for (const sluice::MechanismInfo& mechanism : sluice::mechanisms())
    if (mechanism.available && !mechanism.traits.one_process) names.emplace_back(mechanism.name);
  return names;
}

// Two different processors if there are two.
std::array<std::optional<int>, 2> choose_processors(const std::vector<int>& wanted, const std::vector<int>& usable) {
  if (wanted.size() == 2) return {wanted[0], wanted[1]};
  if (usable.size() < 2) return {};
  return {usable[0], usable[1]};
}

std::vector<Cell> cells_of(const Chosen& chosen) {
  const std::vector<int> usable = usable_processors();
  const auto processors = choose_processors(chosen.processors, usable);
  const bool shares_one = usable.size() == 1 || (processors[0] && processors[0] == processors[1]);
  std::vector<Mode> modes = chosen.modes;
  // On one processor a peer that spins only delays the other: not unless asked for.
  if (modes.empty()) modes = shares_one ? std::vector{Mode::sleep} : std::vector{Mode::sleep, Mode::spin};
  Cell cell;
  cell.in_place = chosen.in_place;
  cell.seconds = chosen.seconds;
  cell.most = chosen.rounds;
  cell.deaths = chosen.deaths;
  cell.processors = processors;
  cell.yields = shares_one;
  cell.corrupt = chosen.corrupt;
  std::vector<Cell> cells;
  for (const std::string& text : chosen.mechanisms) {
    const std::size_t mark = text.find('?');
    cell.mechanism = text.substr(0, mark);
    cell.options = mark == std::string::npos ? "" : text.substr(mark + 1);
    for (const std::size_t size : chosen.sizes) {
      for (const Mode mode : modes) {
        cell.size = size;
        cell.whole_every = bench::whole_every(size, chosen.whole);
        cell.mode = mode;
        cells.push_back(cell);
      }
    }
  }
  return cells;
}

// A mechanism that can't be measured doesn't stop the others.
Exit run_bench(Chosen chosen) {
  if (chosen.mechanisms.empty()) chosen.mechanisms = all_available();
  if (chosen.mechanisms.empty()) return give_up({Exit::failed, "no mechanism is available; `sluice mechanisms` says why"});
  // Before anything is started: a second process that can't be where it should would be waited for, once for each row.
  const std::vector<int> usable = usable_processors();
  for (const int processor : chosen.processors) {
    if (!usable.empty() && std::ranges::find(usable, processor) == usable.end())
      return give_up({Exit::failed, fmt::format("processor {} is none of those that this process may use", processor)});
  }
  const std::vector<Cell> cells = cells_of(chosen);
  std::vector<Outcome> outcomes;
  Exit exit = Exit::done;
  if (!chosen.json) print_heading(cells);
  for (const Cell& cell : cells) {
    auto outcome = bench::measure(cell);
    if (!outcome) {
      exit = give_up(outcome.error());
      continue;
    }
    if (!chosen.json) print_row(*outcome);
    if (outcome->errors > 0) {
      exit =
          give_up({Exit::failed, fmt::format("{}, {}: {} messages were wrong: this is an error of Sluice, and its figures mean "
                                             "nothing; please report it",
                                             cell.mechanism, size_text(cell.size), outcome->errors)});
    }
    outcomes.push_back(*std::move(outcome));
  }
  if (chosen.json) print_json(outcomes);
  return exit;
}

std::size_t size_from(std::string text) {
  std::size_t size = 0;
  static const CLI::AsSizeValue transform(false);  // K, M, G: 1024^n, as in an endpoint's text
  if (!transform(text).empty() || !CLI::detail::lexical_cast(text, size) || size < bench::kSmallest)
    throw CLI::ValidationError("--size", text + " is no size of 8 bytes or more: 64, 1K or 64K, say");
  return size;
}

Mode mode_from(const std::string& text) {
  for (const Mode mode : {Mode::sleep, Mode::spin})
    if (text == name(mode)) return mode;
  throw CLI::ValidationError("--mode", text + " is neither sleep nor spin");
}

void add_options(CLI::App& command, Chosen& chosen) {
  command.add_option("MECHANISM", chosen.mechanisms, "Which mechanisms; default: all that are available here");
  command
      .add_option_function<std::vector<std::string>>(
          "--size",
          [&chosen](const std::vector<std::string>& texts) {
            chosen.sizes.clear();
            std::ranges::transform(texts, std::back_inserter(chosen.sizes), size_from);
          },
          "Bytes of a message: 64,1K,64K,1M; default 64,64K")
      ->delimiter(',')
      ->allow_extra_args(false)  // what follows is a mechanism
      ->type_name("SIZE,...");
  command
      .add_option_function<std::vector<std::string>>(
          "--mode",
          [&chosen](const std::vector<std::string>& texts) {
            chosen.modes.clear();
            std::ranges::transform(texts, std::back_inserter(chosen.modes), mode_from);
          },
          "sleep: calls that wait; spin: tries in a loop; default both")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("MODE,...");
  command.add_flag("--in-place", chosen.in_place, "Write and read messages in the channel's memory, without copies");
  command.add_flag("--whole", chosen.whole, "Write and check every byte of every message, and time that, too");
  command.add_option("--seconds", chosen.seconds, "How long each row takes; default 1")->check(CLI::Range(0.01, 3600.0));
  command.add_option("--rounds", chosen.rounds, "At most so many round trips, and messages, a row")->check(CLI::PositiveNumber);
  command
      .add_option("--deaths", chosen.deaths, "How often the second process is killed, a row, to see when that shows; default 5")
      ->check(CLI::Range(0, 10'000));
  command
      .add_option_function<std::vector<int>>(
          "--cpus",
          [&chosen](const std::vector<int>& processors) {
            if (processors.size() != 2) throw CLI::ValidationError("--cpus", "takes two numbers: 0,1, say");
            chosen.processors = processors;
          },
          "Which processors the two run on: 0,1; default: two that this process may use")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("A,B");
  command.add_flag("--json", chosen.json, "Print an array of objects, one for each row");
  command.add_option("--corrupt", chosen.corrupt)->group("");  // of the tests: that message is sent with a wrong byte
}

}  // namespace

void add_bench(CLI::App& app, Run& run) {
  CLI::App* const command = app.add_subcommand("bench", "Round trip and throughput between two processes");
  command->footer(std::string(kExamples));
  const auto chosen = std::make_shared<Chosen>();
  add_options(*command, *chosen);
  command->callback([chosen, &run] { run = [chosen] { return run_bench(*chosen); }; });
}

}  // namespace tool
