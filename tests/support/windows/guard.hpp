// What every program of the tests does first on Windows, so that none is taken for passed that wasn't, and none is left behind.
#pragma once

namespace sluice_test {

// From here on a crash ends this process with kCrashed at once: Wine may otherwise hide it behind exit status 0. And this
// process is in a job whose processes all end with it, however it ends: a child that lived on would hold the standard output
// for which ctest waits. Output comes line by line.
void guard_this_process();

inline constexpr unsigned kCrashed = 99;

}  // namespace sluice_test
