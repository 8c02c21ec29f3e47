// Whether processes are asleep: every thread sits in a wait without time-out, and none of them ran for a while.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "machine.hpp"

namespace sluice_test {

// Waits until every thread but the calling one waits without a time-out (at most `limit`), then watches them for 300 ms.
// What is wrong: the thread and where it is; empty if all sleep.
[[nodiscard]] std::string what_is_awake(const std::vector<pid_t>& processes, milliseconds limit = patience());

// The second half alone: nothing runs for 300 ms, whatever time-outs there are.
[[nodiscard]] std::string what_wakes_up(const std::vector<pid_t>& processes);

}  // namespace sluice_test
