// The line on standard error that shows how far a file has come: redrawn in place on a terminal, one line a second elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tool {

// When to show it.
enum class Show { never, on_terminal, always };

class Progress {
 public:
  explicit Progress(Show show);

  // A file begins; `expected` is what its sender announced, which may turn out to be wrong.
  void begin(std::string_view name, std::optional<std::uint64_t> expected);
  void advance(std::uint64_t bytes);
  // The file has ended, well or not: leaves its last line standing.
  void end();

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);

  bool shown_{false};
  bool terminal_{false};
  std::string name_;
  std::optional<std::uint64_t> expected_;
  std::uint64_t bytes_{0};
  Clock::time_point begun_;
  Clock::time_point drawn_at_;
};

}  // namespace tool
