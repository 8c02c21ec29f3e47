// What became of each file, for `send` and `receive` alike: a line with its digest as soon as it is there, or all of them as
// one JSON object at the end.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report.hpp"
#include "transfer.hpp"

namespace tool {

struct FileOutcome {
  std::string name;
  std::uint64_t size{0};
  std::optional<transfer::Digest> digest;  // once the content was seen to its end
  std::string problem;                     // empty: confirmed
};

// Where the lines with digests go.
enum class Lines { nowhere, standard_output, standard_error };

class Outcomes {
 public:
  Outcomes(std::string_view endpoint, Lines lines) : endpoint_(endpoint), lines_(lines) {}

  // The peer is there: seconds count from now.
  void begin() noexcept { begun_ = std::chrono::steady_clock::now(); }

  // Adds a file; prints its line ("DIGEST  NAME", as xxhsum does), or complains of its problem.
  void add(FileOutcome outcome);
  // Adds a file that the end of the whole transfer cut off; says nothing, because the failure will be printed.
  void add_unfinished(FileOutcome outcome);

  [[nodiscard]] std::size_t confirmed() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return files_.size(); }
  // done if every file was confirmed.
  [[nodiscard]] Exit exit() const noexcept { return confirmed() == files_.size() ? Exit::done : Exit::failed; }

  // "2 of 3 files were confirmed", with the number that there should have been, if known.
  [[nodiscard]] std::string summary(std::optional<std::size_t> wanted) const;

  // One object on standard output: endpoint, files, confirmed, bytes, seconds and, if the transfer failed as a whole, error.
  void print_json(const std::optional<Failure>& failure) const;

 private:
  std::string endpoint_;
  Lines lines_;
  std::vector<FileOutcome> files_;
  std::chrono::steady_clock::time_point begun_{std::chrono::steady_clock::now()};
};

}  // namespace tool
