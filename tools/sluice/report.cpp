// Exit status, sentences on standard error, numbers as people read them.
#include "report.hpp"

#include <fmt/format.h>

#include <array>

#include "standard_streams.hpp"
#include "transfer.hpp"

namespace tool {

Exit exit_of(const sluice::Error& error) noexcept {
  switch (error.code) {
    case sluice::Errc::timed_out:
    case sluice::Errc::would_block:
      return Exit::timed_out;
    case sluice::Errc::peer_died:
      return Exit::peer_died;
    case sluice::Errc::invalid_endpoint:
    case sluice::Errc::misuse:
      return Exit::wrong_usage;
    default:
      return Exit::failed;
  }
}

Failure failure(const sluice::Error& error, std::string_view endpoint) {
  return {exit_of(error), sluice::describe(error, endpoint)};
}

void complain(std::string_view text) { print(stderr, "sluice: {}\n", transfer::printable(text)); }

Exit give_up(const Failure& failure) {
  complain(failure.text);
  return failure.exit;
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 6> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  constexpr double kStep = 1024;
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double amount = static_cast<double>(bytes) / kStep;
  std::size_t unit = 0;
  for (; amount >= kStep; ++unit) amount /= kStep;
  const bool whole = amount == static_cast<double>(static_cast<std::uint64_t>(amount));
  return fmt::format("{:.{}f} {}", amount, whole ? 0 : 1, kUnits[unit]);
}

}  // namespace tool
