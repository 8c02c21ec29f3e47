// The options that subcommands share, and how their values are read.
#include "command.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <string_view>
#include <utility>

namespace tool {

namespace {

// Seconds from "5", "0.5s", "500ms", "2m"; empty if it is none of these.
std::optional<double> seconds_from(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 5> kUnits{
      {{"", 1}, {"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}}};
  double number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (problem != std::errc{} || !(number >= 0)) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& [name, factor] : kUnits)
    if (unit == name) return number * factor;
  return std::nullopt;
}

}  // namespace

sluice::Deadline Common::deadline() const {
  if (!timeout) return sluice::Deadline::never();
  return *timeout > 0 ? sluice::Deadline(std::chrono::duration<double>(*timeout)) : sluice::Deadline::now();
}

CLI::Option* add_meeting(CLI::App& command, Common& common, const std::string& waits_for) {
  command.add_option("ENDPOINT", common.endpoint, "Where to meet: mechanism:where, as in unix:/tmp/x, mq:/x, shm:x")
      ->required();
  command
      .add_option_function<std::string>(
          "--timeout",
          [&common](const std::string& text) {
            common.timeout = seconds_from(text);
            if (!common.timeout) throw CLI::ValidationError("--timeout", text + " is no time: 5, 0.5, 500ms, 2m or 1h, say");
          },
          waits_for)
      ->type_name("SECONDS");
  return command.add_flag("--quiet", common.quiet, "Print nothing but errors, and what was asked for");
}

void add_clients(CLI::App& command, Clients& clients) {
  command
      .add_option_function<std::string>(
          "--clients",
          [&clients](const std::string& text) {
            if (text != "one" && text != "serial" && text != "all")
              throw CLI::ValidationError("--clients", text + " is none of one, serial and all");
            clients = text == "one" ? Clients::one : text == "serial" ? Clients::serial : Clients::all;
          },
          "one (if not given): exit after the first; serial: one after the other; all: many at once")
      ->type_name("one|serial|all");
}

void add_common(CLI::App& command, Common& common, const std::string& waits_for) {
  CLI::Option* const quiet = add_meeting(command, common, waits_for);
  command.add_flag("--json", common.json, "Print the result as JSON on standard output");
  command.add_flag("--progress", common.progress, "Show progress even if standard error is no terminal")->excludes(quiet);
}

}  // namespace tool
