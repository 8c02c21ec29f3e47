// What the tool says besides data: its exit status, and one sentence for people on standard error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sluice/error.hpp>

namespace tool {

// The exit status of every subcommand.
enum class Exit : int { done = 0, failed = 1, wrong_usage = 2, timed_out = 3, peer_died = 4 };

// Why a subcommand gives up: its exit status, and the sentence to print.
struct Failure {
  Exit exit{Exit::failed};
  std::string text;
};

// The exit status that belongs to an error of the library.
[[nodiscard]] Exit exit_of(const sluice::Error& error) noexcept;
// The error as the library describes it, with its exit status.
[[nodiscard]] Failure failure(const sluice::Error& error, std::string_view endpoint);
// The system's words for an error code of its own (an errno), such as "No space left on device".
[[nodiscard]] std::string system_text(int code);

// Prints "sluice: TEXT" on standard error, without control characters.
void complain(std::string_view text);
// Prints the failure and gives its exit status.
[[nodiscard]] Exit give_up(const Failure& failure);

// A number of bytes for people: "300 MiB", "1.5 GiB", "17 B".
[[nodiscard]] std::string size_text(std::uint64_t bytes);

}  // namespace tool
