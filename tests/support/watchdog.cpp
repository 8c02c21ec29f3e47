#include "watchdog.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

namespace sluice_test {
namespace {

constexpr const char* kGdb = "/usr/bin/gdb";

void print_file(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) std::fprintf(stderr, "    %s\n", line.c_str());
}

void print_from_proc(pid_t pid) {
  for (const auto& thread : threads_of(pid)) {
    const std::string folder = "/proc/" + std::to_string(pid) + "/task/" + std::to_string(thread.id);
    std::fprintf(stderr, "  thread %d: syscall %s\n", thread.id, thread.call.c_str());
    for (const char* file : {"/wchan", "/stack"}) print_file(folder + file);
  }
}

void stop_hanging(const std::string& test, const std::vector<pid_t>& watched) {
  std::fprintf(stderr, "watchdog: %s hangs\n", test.c_str());
  for (const pid_t pid : watched) print_stacks(pid);
  for (auto pid = watched.rbegin(); pid != watched.rend(); ++pid) kill(*pid, SIGKILL);
}

}  // namespace

void print_stacks(pid_t pid) {
  const std::string number = std::to_string(pid);
  std::string name;
  std::getline(std::ifstream("/proc/" + number + "/comm"), name);
  std::fprintf(stderr, "---- stacks of process %d (%s)\n", pid, name.c_str());
  if (access(kGdb, X_OK) != 0) return print_from_proc(pid);
  Process gdb({{kGdb, "-batch", "-nx", "-p", number, "-ex", "set pagination off", "-ex", "thread apply all bt 24"}, {}, -1});
  constexpr milliseconds kLimit{60'000};
  if (!gdb.wait(kLimit)) print_from_proc(pid);
}

int run_watchdog(int control) {
  ControlSocket socket(control);
  std::string test;
  std::vector<pid_t> watched;
  std::optional<Clock::time_point> until;
  while (true) {
    std::optional<milliseconds> wait;
    if (until) wait = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*until - Clock::now()));
    const auto line = socket.receive(wait);
    if (!line && !socket.timed_out()) return 0;
    if (!line) {
      stop_hanging(test, watched);
      return 1;
    }
    std::istringstream words(*line);
    std::string verb;
    words >> verb;
    if (verb == "begin") {
      milliseconds::rep limit = 0;
      words >> limit >> test;
      until = Clock::now() + milliseconds(limit);
      watched = {getppid()};
    } else if (verb == "watch") {
      words >> watched.emplace_back();
    } else {
      until.reset();
    }
  }
}

Watchdog& Watchdog::instance() {
  static Watchdog value;
  return value;
}

Watchdog::Watchdog() {
  auto [ours, theirs] = ControlSocket::pair();
  process_ = std::make_unique<Process>(Process::Start{{program_folder() + "/sluice-test-peer", "watchdog", "-", "0"},
                                                      {"SLUICE_TEST_PARENT=" + std::to_string(getpid())},
                                                      theirs.fd()});
  control_ = std::move(ours);
}

void Watchdog::begin(const std::string& test, milliseconds limit) {
  control_.send("begin " + std::to_string(limit.count()) + " " + test);
}

void Watchdog::watch(pid_t pid) { control_.send("watch " + std::to_string(pid)); }

void Watchdog::end() { control_.send("end"); }

}  // namespace sluice_test
