// The watchdog: a process of its own that is told when a test begins, which processes belong to it, and when it has ended. If
// that doesn't come in time, it prints the stacks of all of them (gdb, or what /proc shows) and kills them, so that the run
// fails instead of hanging. It is a process because a thread would wake up in tests that prove that nothing does.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "control.hpp"
#include "process.hpp"

namespace sluice_test {

// The watchdog's own main().
int run_watchdog(int control);

// Prints where every thread of the process is, on standard error. The process goes on.
void print_stacks(pid_t pid);

class Watchdog {
 public:
  // The one of this program, started at its first use.
  static Watchdog& instance();

  void begin(const std::string& test, milliseconds limit);
  void watch(pid_t pid);
  void end();

 private:
  Watchdog();
  ControlSocket control_;
  std::unique_ptr<Process> process_;
};

}  // namespace sluice_test
