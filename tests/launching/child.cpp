// sluice-test-child MODE [WORD]
//
// What spawn()'s tests start. MODE:
//   echo STATUS   sends back what it receives, until the other end closes; then exits with STATUS
//   look          tells in one message what it has got: descriptors, environment, signals
//   claim         exits with 3 where nothing is inherited, 0 where something is, 1 otherwise
//   nobody FD     becomes another user's without claiming anything, and lives until nobody writes to FD any more
//   plain FD FD   echoes one line from the first to the second, as a program that knows nothing of Sluice
//   plain         exits with 0 if the end that it claims has the framing line
//   grandchild    starts itself as `claim` once it has claimed its own end, and sends its status
//   names         claims the ends "left" and "right", and echoes one message over each; then tries to claim one again
//   die           sends three messages, and is killed
//   fork FD       sends one message, forks a child that lives until nobody writes to FD any more, and is killed
//   adopt         receives the handles of an end over the inherited channel, and echoes one message over that; closes both
//   sleep         claims nothing, until it is ended
#include <sluice/sluice.hpp>

#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "process.hpp"

namespace {

using sluice::Channel;
using sluice::Errc;
using namespace std::chrono_literals;

constexpr auto kPatience = 10s;
constexpr int kNotFound = 3;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span{text}); }

Channel claim(std::string_view name = {}) {
  auto channel = sluice::inherited(name, kPatience);
  if (channel) return *std::move(channel);
  std::fprintf(stderr, "sluice-test-child: %s\n", sluice::describe(channel.error()).c_str());
  std::exit(1);
}

int echo(int status) {
  auto channel = claim();
  while (auto message = channel.receive(kPatience))
    if (!channel.send(message->bytes(), kPatience)) return 1;
  return channel.ended() && channel.ended()->code == Errc::closed && channel.close(kPatience) ? status : 1;
}

bool echo_one(Channel& channel) {
  const auto message = channel.receive(kPatience);
  return message && channel.send(message->bytes(), kPatience) && channel.flush(kPatience);
}

std::string what_there_is() {
  std::string said;
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (std::string_view{*variable}.starts_with("SLUICE_")) said += std::string{"variable "} + *variable + "\n";
  for (const auto& [fd, target] : sluice_test::descriptors_of(getpid()))
    if (fd > STDERR_FILENO) said += "descriptor " + target + "\n";
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  for (int signal = 1; signal < SIGRTMIN; ++signal) {
    struct sigaction action{};
    if (sigismember(&mask, signal) == 1) said += "blocked " + std::to_string(signal) + "\n";
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN)
      said += "ignored " + std::to_string(signal) + "\n";
  }
  return said;
}

int look() {
  std::string said = what_there_is();
  auto channel = claim();
  said = "before claiming\n" + said + "after claiming\n" + what_there_is();
  if (!channel.send(bytes_of(said), kPatience)) return 1;
  return channel.close(kPatience) ? 0 : 1;
}

int try_to_claim() {
  const auto channel = sluice::inherited({}, kPatience);
  if (channel) return 0;
  return channel.error().code == Errc::not_found ? kNotFound : 1;
}

int become_nobody(int until) {
  constexpr uid_t kNobody = 65534;
  if (setresuid(kNobody, kNobody, kNobody) != 0) return 1;
  char byte = 0;
  while (read(until, &byte, 1) < 0 && errno == EINTR) {
  }
  return 0;
}

// As any program reads and writes what it has been given: a read waits, and whatever it answers is final.
int plain(int from, int to) {
  std::string line(100, '\0');
  const ssize_t size = read(from, line.data(), line.size());
  if (size <= 0) return 1;
  line.resize(static_cast<std::size_t>(size));
  return write(to, line.data(), line.size()) == size ? 0 : 1;
}

int plain_channel() {
  auto channel = claim();
  const auto message = channel.receive(kPatience);
  if (!message || channel.traits().framing != "line") return 1;
  return channel.send(message->bytes(), kPatience) && channel.close(kPatience) ? 0 : 1;
}

int grandchild(char* program) {
  auto channel = claim();
  std::string mode = "claim";
  char* words[] = {program, mode.data(), nullptr};
  pid_t child = -1;
  int status = -1;
  if (posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, words, environ) != 0 || waitpid(child, &status, 0) != child)
    return 1;
  if (!channel.send(bytes_of(std::to_string(WEXITSTATUS(status))), kPatience)) return 1;
  return channel.close(kPatience) ? 0 : 1;
}

int names() {
  auto left = claim("left");
  auto right = claim("right");
  if (!echo_one(right) || !echo_one(left)) return 1;
  const auto again = sluice::inherited("left", kPatience);
  return !again && again.error().code == Errc::not_found ? kNotFound : 1;
}

int die() {
  auto channel = claim();
  for (const char* text : {"one", "two", "three"})
    if (!channel.send(bytes_of(text), kPatience)) return 1;
  raise(SIGKILL);
  return 1;
}

int fork_and_die(int until) {
  auto channel = claim();
  const pid_t child = fork();
  if (child == 0) {
    char byte = 0;
    (void)!read(until, &byte, 1);
    _exit(0);
  }
  if (!channel.send(bytes_of(std::to_string(child)), kPatience)) return 1;
  raise(SIGKILL);
  return 1;
}

int adopt() {
  auto channel = claim();
  auto message = channel.receive(kPatience);
  if (!message) return 1;
  auto second = sluice::adopt(message->handles(), "pipe:", kPatience);
  if (!second) {
    std::fprintf(stderr, "sluice-test-child: %s\n", sluice::describe(second.error()).c_str());
    return 1;
  }
  return echo_one(*second) && second->close(kPatience) && channel.close(kPatience) ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const std::string_view mode = count > 1 ? words[1] : "";
  const int word = count > 2 ? std::atoi(words[2]) : 0;
  if (mode == "echo") return echo(word);
  if (mode == "look") return look();
  if (mode == "claim") return try_to_claim();
  if (mode == "nobody") return become_nobody(word);
  if (mode == "plain") return count > 3 ? plain(word, std::atoi(words[3])) : plain_channel();
  if (mode == "grandchild") return grandchild(words[0]);
  if (mode == "names") return names();
  if (mode == "die") return die();
  if (mode == "fork") return fork_and_die(word);
  if (mode == "adopt") return adopt();
  if (mode == "sleep") {
    alarm(60);
    while (true) pause();
  }
  return 2;
}
