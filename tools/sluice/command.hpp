// How subcommands plug into the tool: each has a file of its own, which adds it to the command line and says what to run.
// A new one is a file, a line here and a line in main.cpp.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <sluice/deadline.hpp>

#include "progress.hpp"
#include "report.hpp"

namespace tool {

// What the command line has chosen to do; called once parsing is over.
using Run = std::function<Exit()>;

void add_mechanisms(CLI::App& app, Run& run);
void add_send(CLI::App& app, Run& run);
void add_receive(CLI::App& app, Run& run);
void add_bench(CLI::App& app, Run& run);
void add_bench_peer(CLI::App& app, Run& run);
void add_listen(CLI::App& app, Run& run);
void add_connect(CLI::App& app, Run& run);

// How many peers a subcommand that listens serves.
enum class Clients : std::uint8_t { one, serial, all };
// Adds --clients.
void add_clients(CLI::App& command, Clients& clients);

// The options that subcommands with a channel share.
struct Common {
  std::string endpoint;
  bool json{false};
  bool quiet{false};
  bool progress{false};
  std::optional<double> timeout;  // seconds

  [[nodiscard]] Show show() const noexcept {
    if (quiet) return Show::never;
    return progress ? Show::always : Show::on_terminal;
  }
  // Counted from now; never if there is no --timeout.
  [[nodiscard]] sluice::Deadline deadline() const;
};

// Adds ENDPOINT, --quiet and --timeout; `waits_for` completes the help of the last.
CLI::Option* add_meeting(CLI::App& command, Common& common, const std::string& waits_for);
// Adds ENDPOINT, --json, --quiet, --progress and --timeout; `waits_for` completes the help of the last.
void add_common(CLI::App& command, Common& common, const std::string& waits_for);

}  // namespace tool
