// sluice mechanisms: the table of all mechanisms, what this machine has, and why the rest is missing.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <ranges>
#include <sluice/mechanisms.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "json.hpp"
#include "report.hpp"
#include "standard_streams.hpp"

namespace tool {

namespace {

constexpr std::string_view kExamples =
    "Examples:\n"
    "  sluice mechanisms\n"
    "  sluice mechanisms --json | jq -r '.[] | select(.available) | .name'";

constexpr std::size_t kColumns = 9;
using Line = std::array<std::string, kColumns>;

std::string yes_or_no(bool yes) { return yes ? "yes" : "no"; }

Line line_of(const sluice::MechanismInfo& mechanism) {
  const sluice::Traits& traits = mechanism.traits;
  return {std::string(mechanism.name),
          std::string(mechanism.systems),
          std::string(mechanism.link),
          std::string(sluice::name(traits.reach)),
          size_text(traits.max_message),
          yes_or_no(traits.handles),
          yes_or_no(traits.identity),
          std::to_string(traits.threads),
          mechanism.available ? "yes" : "no: " + mechanism.why_not};
}

void print_table(const std::vector<sluice::MechanismInfo>& mechanisms) {
  std::vector<Line> lines{{"name", "systems", "link", "reach", "max. message", "handles", "identity", "threads", "available"}};
  std::ranges::transform(mechanisms, std::back_inserter(lines), line_of);
  std::array<std::size_t, kColumns> widths{};
  for (const Line& line : lines)
    for (std::size_t column = 0; column < kColumns; ++column) widths[column] = std::max(widths[column], line[column].size());
  for (const Line& line : lines) {
    for (std::size_t column = 0; column + 1 < kColumns; ++column) print(stdout, "{:<{}}  ", line[column], widths[column]);
    print(stdout, "{}\n", line.back());  // the last column is the long one: no blanks behind it
  }
}

Json words_of(std::string_view text) {
  Json words = Json::array();
  for (const auto word : std::views::split(text, ' ')) words.push_back(std::string(word.begin(), word.end()));
  return words;
}

void print_json(const std::vector<sluice::MechanismInfo>& mechanisms) {
  Json rows = Json::array();
  for (const sluice::MechanismInfo& mechanism : mechanisms) {
    const sluice::Traits& traits = mechanism.traits;
    const bool all_after_death = traits.after_death == sluice::AfterDeath::all;
    rows.push_back({{"name", mechanism.name},
                    {"os", words_of(mechanism.systems)},
                    {"link", mechanism.link},
                    {"where", mechanism.where},
                    {"reach", sluice::name(traits.reach)},
                    {"built_in", mechanism.built_in},
                    {"available", mechanism.available},
                    {"why_not", mechanism.why_not},
                    {"max_message", traits.max_message},
                    {"handles", traits.handles},
                    {"identity", traits.identity},
                    {"threads", traits.threads},
                    {"lobby", traits.lobby},
                    {"truncatable", traits.truncatable},
                    {"one_process", traits.one_process},
                    {"after_death", all_after_death ? "all" : "delivered_only"},
                    {"packet_size", traits.packet_size},
                    {"capacity", traits.capacity}});
  }
  print(rows);
}

}  // namespace

void add_mechanisms(CLI::App& app, Run& run) {
  CLI::App* const command = app.add_subcommand("mechanisms", "What this machine has, limits, and why the rest is missing");
  command->footer(std::string(kExamples));
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print an array of objects, one for each mechanism");
  command->callback([json, &run] {
    run = [json] {
      const std::vector<sluice::MechanismInfo> mechanisms = sluice::mechanisms();
      *json ? print_json(mechanisms) : print_table(mechanisms);
      return Exit::done;
    };
  });
}

}  // namespace tool
