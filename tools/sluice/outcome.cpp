// Digest lines and the JSON object of a file transfer.
#include "outcome.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "json.hpp"
#include "standard_streams.hpp"

namespace tool {

void Outcomes::add(FileOutcome outcome) {
  if (!outcome.problem.empty()) {
    complain(fmt::format("{}: {}: {}", endpoint_, outcome.name, outcome.problem));
  } else if (lines_ != Lines::nowhere) {
    std::FILE* const where = lines_ == Lines::standard_output ? stdout : stderr;
    print(where, "{}  {}\n", transfer::hexadecimal(*outcome.digest), transfer::printable(outcome.name));
    (void)std::fflush(where);  // what was not written is reported at the end, see main.cpp
  }
  files_.push_back(std::move(outcome));
}

void Outcomes::add_unfinished(FileOutcome outcome) {
  outcome.problem = "the transfer ended before its end";
  files_.push_back(std::move(outcome));
}

std::string Outcomes::summary(std::optional<std::size_t> wanted) const {
  const std::size_t count = wanted.value_or(confirmed());
  const std::string of = wanted ? fmt::format("{} of ", confirmed()) : "";
  return fmt::format("{}{} file{} confirmed", of, count, count == 1 ? " was" : "s were");
}

std::size_t Outcomes::confirmed() const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(files_, [](const FileOutcome& file) { return file.problem.empty(); }));
}

void Outcomes::print_json(const std::optional<Failure>& failure) const {
  Json files = Json::array();
  std::uint64_t bytes = 0;
  for (const FileOutcome& file : files_) {
    bytes += file.size;
    files.push_back({{"name", file.name},
                     {"size", file.size},
                     {"digest", file.digest ? Json(transfer::hexadecimal(*file.digest)) : Json(nullptr)},
                     {"confirmed", file.problem.empty()},
                     {"error", file.problem.empty() ? Json(nullptr) : Json(file.problem)}});
  }
  print(Json{{"endpoint", endpoint_},
             {"files", std::move(files)},
             {"confirmed", confirmed()},
             {"bytes", bytes},
             {"seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count()},
             {"error", failure ? Json(failure->text) : Json(nullptr)}});
}

}  // namespace tool
