// The peer's end of fault::hook: counts how often each named point of the library is passed, and ends or stops the process
// there when it was told to. Without SLUICE_FAULT_POINTS there are no points, and are_built_in() says so.
#pragma once

#include <csignal>
#include <cstdint>
#include <map>
#include <string>

namespace sluice_test::fault_points {

[[nodiscard]] bool are_built_in() noexcept;
// From now on: counts points, for all threads.
void install();
// At the `count`th passing from now of `point`, the process raises `signal` (SIGKILL, SIGSTOP). "*" is any point.
void arm(std::string point, std::uint64_t count, int signal);
// How often each point was passed since install().
[[nodiscard]] std::map<std::string, std::uint64_t> passed();

}  // namespace sluice_test::fault_points
