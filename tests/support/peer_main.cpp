// sluice-test-peer ROLE ENDPOINT SEED [--kill-at NAME[:N]] [--stop-at NAME[:N]]
//
// The other process of every test. ROLE: peer (takes commands on descriptor 3), list-descriptors (prints what it has
// inherited), watchdog (prints the stacks of hanging processes; see watchdog.hpp), hang (has one).
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fault_points.hpp"
#include "interpreter.hpp"
#include "process.hpp"
#include "watchdog.hpp"

namespace {

using namespace sluice_test;

void arm_from(std::string_view text, int signal) {
  const auto colon = text.find(':');
  const std::string count(colon == text.npos ? std::string_view("1") : text.substr(colon + 1));
  fault_points::arm(std::string(text.substr(0, colon)), std::strtoull(count.c_str(), nullptr, 10), signal);
}

int list_descriptors() {
  std::string list;
  for (const auto& [fd, target] : descriptors_of(getpid())) {
    list += std::to_string(fd) + ":" + target + ";";
    for (char& letter : list)
      if (letter == ' ') letter = '_';
  }
  std::printf("descriptors=%s", list.c_str());
  return 0;
}

// What the watchdog is for.
int hang() {
  constexpr milliseconds kSoon{100};
  Watchdog::instance().begin("a_test_that_hangs", kSoon);
  while (true) pause();
}

int run_peer(std::string role, std::string endpoint, std::uint64_t seed) {
  fcntl(Process::kControl, F_SETFD, FD_CLOEXEC);  // children that it executes must not hold its control connection
  ControlSocket control(Process::kControl);
  Interpreter interpreter(std::move(control), {std::move(role), std::move(endpoint), seed, true});
  interpreter.run();
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count < 4) {
    std::fprintf(stderr, "usage: sluice-test-peer ROLE ENDPOINT SEED [--kill-at NAME[:N]] [--stop-at NAME[:N]]\n");
    return 2;
  }
  const std::string role = words[1];
  if (role == "list-descriptors") return list_descriptors();
  end_with_parent();
  if (role == "watchdog") return run_watchdog(Process::kControl);
  if (role == "hang") return hang();
  fault_points::install();
  for (int at = 4; at + 1 < count; at += 2) {
    const std::string_view option = words[at];
    if (option == "--kill-at") arm_from(words[at + 1], SIGKILL);
    if (option == "--stop-at") arm_from(words[at + 1], SIGSTOP);
  }
  return run_peer(role, words[2], std::strtoull(words[3], nullptr, 0));
}
