// Progress on standard error. The clock is asked once a piece; nothing is drawn more often than the eye can follow.
#include "progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "report.hpp"
#include "standard_streams.hpp"
#include "transfer.hpp"

namespace tool {

namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kNewLine = std::chrono::seconds(1);
// Longer names are cut, so that the line fits into the 80 columns of a small terminal.
constexpr std::size_t kNameColumns = 32;
constexpr std::string_view kClearLine = "\r\x1b[K";  // ECMA-48: erase in line

std::string shortened(std::string_view name) {
  const std::string clean = transfer::printable(name);
  return clean.size() <= kNameColumns ? clean : clean.substr(0, kNameColumns - 3) + "...";
}

std::string share(std::uint64_t bytes, std::optional<std::uint64_t> expected) {
  if (!expected || *expected == 0) return size_text(bytes);
  const double part = std::min(1.0, static_cast<double>(bytes) / static_cast<double>(*expected));
  return fmt::format("{:3.0f}%  {} of {}", part * 100, size_text(bytes), size_text(*expected));
}

}  // namespace

Progress::Progress(Show show) : terminal_(standard_error_is_terminal()) {
  shown_ = show == Show::always || (show == Show::on_terminal && terminal_);
}

void Progress::begin(std::string_view name, std::optional<std::uint64_t> expected) {
  if (!shown_) return;
  name_ = shortened(name);
  expected_ = expected;
  bytes_ = 0;
  begun_ = drawn_at_ = Clock::now();
}

void Progress::advance(std::uint64_t bytes) {
  if (!shown_) return;
  bytes_ += bytes;
  const auto now = Clock::now();
  if (now - drawn_at_ >= (terminal_ ? Clock::duration(kRedraw) : Clock::duration(kNewLine))) draw(now);
}

void Progress::end() {
  if (!shown_) return;
  draw(Clock::now());
  if (terminal_) print(stderr, "\n");
}

void Progress::draw(Clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now - begun_).count();
  const auto speed = seconds > 0 ? static_cast<std::uint64_t>(static_cast<double>(bytes_) / seconds) : 0;
  const std::string line = fmt::format("{}  {}  {}/s", name_, share(bytes_, expected_), size_text(speed));
  if (terminal_) {
    print(stderr, "{}{}", kClearLine, line);
  } else {
    print(stderr, "{}\n", line);
  }
  drawn_at_ = now;
}

}  // namespace tool
