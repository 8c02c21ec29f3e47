#include "asleep.hpp"

#include <unistd.h>

#include <map>
#include <thread>

#include "process.hpp"

namespace sluice_test {
namespace {

constexpr milliseconds kWatched{300};
constexpr milliseconds kBetweenLooks{5};

std::map<pid_t, ThreadState> others(const std::vector<pid_t>& processes) {
  std::map<pid_t, ThreadState> all;
  for (const pid_t process : processes)
    for (auto& thread : threads_of(process))
      if (thread.id != gettid()) all.emplace(thread.id, std::move(thread));
  return all;
}

std::string describe(const ThreadState& thread) { return "thread " + std::to_string(thread.id) + " (" + thread.call + ")"; }

}  // namespace

std::string what_wakes_up(const std::vector<pid_t>& processes) {
  const auto before = others(processes);
  std::this_thread::sleep_for(kWatched);
  const auto after = others(processes);
  for (const auto& [id, thread] : after) {
    const auto found = before.find(id);
    if (found == before.end()) return describe(thread) + " is new";
    if (found->second.switches != thread.switches)
      return describe(thread) + " ran " + std::to_string(thread.switches - found->second.switches) + " times";
  }
  return before.size() == after.size() ? "" : "a thread ended";
}

std::string what_is_awake(const std::vector<pid_t>& processes, milliseconds limit) {
  const auto until = Clock::now() + limit;
  while (true) {
    std::string awake;
    for (const auto& [id, thread] : others(processes))
      if (!thread.waits_without_limit) awake = describe(thread) + " does not wait, or has a time-out";
    if (awake.empty()) break;
    if (Clock::now() > until) return awake;
    std::this_thread::sleep_for(kBetweenLooks);
  }
  return what_wakes_up(processes);
}

}  // namespace sluice_test
