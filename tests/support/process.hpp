// Another process, started by exec and ended with the test, and what /proc tells about one.
// Stands on posix_spawn(3), pidfd_open(2), proc(5).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "machine.hpp"

namespace sluice_test {

// A child process. Not copied; the destructor kills and reaps it.
class Process {
 public:
  struct Start {
    std::vector<std::string> command;      // program and arguments
    std::vector<std::string> environment;  // NAME=value, besides our own
    int control{-1};                       // becomes descriptor kControl of the child; no other is inherited but 0, 1, 2
    int output{-1};                        // becomes its descriptors 1 and 2, which are ours without
  };
  static constexpr int kControl = 3;

  explicit Process(const Start& start);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  // Readable when the process has ended and the kernel has closed what it held open (pidfd_open(2)).
  [[nodiscard]] int pidfd() const noexcept { return pidfd_; }
  void signal(int number) const noexcept;
  // The wait status (waitpid(2)), or nothing if it still runs after `wait`.
  std::optional<int> wait(milliseconds wait);

 private:
  pid_t pid_{-1};
  int pidfd_{-1};
  std::optional<int> status_;
};

// To be called first thing in main() of a child: it ends when its parent does (prctl(2), PR_SET_PDEATHSIG), and lets the
// watchdog look at it.
void end_with_parent();

// When a process has ended: the time at which its pidfd became readable, or nothing after `wait`.
[[nodiscard]] std::optional<Clock::time_point> wait_for_end(int pidfd, milliseconds wait);

// Throws std::runtime_error if it can't be read: a process that isn't there has not kept its memory small.
[[nodiscard]] std::uint64_t resident_bytes(pid_t pid);
// Open descriptors and what they refer to; without the one that reads the folder.
[[nodiscard]] std::map<int, std::string> descriptors_of(pid_t pid);
[[nodiscard]] std::string status_field(pid_t pid, const std::string& name);

// One thread, as /proc/PID/task/TID shows it.
struct ThreadState {
  pid_t id{0};
  std::string call;                 // /proc/PID/task/TID/syscall: "running", or number and arguments
  std::uint64_t switches{0};        // voluntary and involuntary context switches
  bool waits_without_limit{false};  // sits in a call that waits, with no time-out
};
[[nodiscard]] std::vector<ThreadState> threads_of(pid_t pid);

// The program's own folder: where the other test programs are.
[[nodiscard]] std::string program_folder();

}  // namespace sluice_test
