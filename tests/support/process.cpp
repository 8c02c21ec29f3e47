#include "process.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace sluice_test {
namespace {

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_with(const std::vector<std::string>& additions) {
  std::vector<std::string> all;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const auto name = text.substr(0, text.find('=') + 1);
    bool replaced = false;
    for (const auto& addition : additions) replaced = replaced || addition.starts_with(name);
    if (!replaced) all.emplace_back(text);
  }
  all.insert(all.end(), additions.begin(), additions.end());
  return all;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::vector<std::string> entries_of(const std::string& path) {
  std::vector<std::string> names;
  DIR* folder = opendir(path.c_str());
  if (folder == nullptr) return names;
  // What reads the folder has a number in this process, not in the one that is looked at.
  const bool is_ours = path == "/proc/" + std::to_string(getpid()) + "/fd";
  const std::string own = std::to_string(dirfd(folder));
  while (const dirent* entry = readdir(folder))
    if (entry->d_name[0] != '.' && !(is_ours && own == entry->d_name)) names.emplace_back(entry->d_name);
  closedir(folder);
  return names;
}

// Whether a call of /proc/TID/syscall waits with no time-out of its own. The position of the time-out among the arguments is
// that of each call's page in section 2 of the manual.
bool waits_without_limit(const std::string& call) {
  std::istringstream text(call);
  long number = -1;
  text >> number;
  if (!text) return false;
  std::array<std::uint64_t, 6> arguments{};
  for (auto& argument : arguments) text >> std::hex >> argument;
  const auto is_minus_one = [](std::uint64_t argument) { return static_cast<std::int32_t>(argument) == -1; };
  switch (number) {
    case SYS_futex:  // uaddr, op, val, timeout
      return arguments[3] == 0;
    case SYS_epoll_pwait:  // epfd, events, maxevents, timeout
      return is_minus_one(arguments[3]);
    case SYS_epoll_pwait2:  // epfd, events, maxevents, timeout
      return arguments[3] == 0;
    case SYS_ppoll:  // fds, nfds, tmo_p
      return arguments[2] == 0;
#if defined(SYS_epoll_wait)
    case SYS_epoll_wait:
      return is_minus_one(arguments[3]);
    case SYS_poll:
      return is_minus_one(arguments[2]);
    case SYS_pause:
      return true;
#endif
    case SYS_rt_sigsuspend:
    case SYS_wait4:
    case SYS_read:
    case SYS_recvfrom:
    case SYS_recvmsg:
      return true;
    default:
      return false;
  }
}

}  // namespace

Process::Process(const Start& start) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (start.output >= 0) {
    posix_spawn_file_actions_adddup2(&actions, start.output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, start.output, STDERR_FILENO);
  }
  int first_closed = STDERR_FILENO + 1;
  if (start.control >= 0) {
    posix_spawn_file_actions_adddup2(&actions, start.control, kControl);
    first_closed = kControl + 1;
  }
  posix_spawn_file_actions_addclosefrom_np(&actions, first_closed);
  auto command = start.command;
  auto environment = environment_with(start.environment);
  const int error =
      posix_spawnp(&pid_, command[0].c_str(), &actions, nullptr, pointers(command).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::system_error(error, std::generic_category(), command[0]);
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
}

Process::~Process() {
  if (!status_) {
    signal(SIGKILL);
    (void)wait(patience());
  }
  if (pidfd_ >= 0) close(pidfd_);
}

void Process::signal(int number) const noexcept {
  if (!status_) kill(pid_, number);
}

std::optional<int> Process::wait(milliseconds limit) {
  if (status_) return status_;
  if (!wait_for_end(pidfd_, limit)) return std::nullopt;
  int status = 0;
  if (waitpid(pid_, &status, 0) == pid_) status_ = status;
  return status_;
}

void end_with_parent() {
  const char* parent = std::getenv("SLUICE_TEST_PARENT");
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);  // Yama lets only a process's ancestors look at it otherwise
  // The parent may have died before the line above; a peer below strace(1) has another parent and isn't told ours.
  if (parent != nullptr && getppid() != std::atoi(parent)) _exit(1);
}

std::optional<Clock::time_point> wait_for_end(int pidfd, milliseconds limit) {
  pollfd ended{pidfd, POLLIN, 0};
  const auto until = Clock::now() + limit;
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
    const int count = poll(&ended, 1, static_cast<int>(std::max<milliseconds::rep>(left.count(), 0)));
    if (count > 0) return Clock::now();
    if (count == 0) return std::nullopt;
  }
}

std::string status_field(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(file, line))
    if (line.starts_with(name + ":")) return line.substr(line.find_first_not_of(" \t", name.size() + 1));
  return {};
}

std::uint64_t resident_bytes(pid_t pid) {
  constexpr std::uint64_t kKibibyte = 1024;              // the field counts in KiB
  const std::string field = status_field(pid, "VmRSS");  // a zombie has none
  // Not 0: nothing would ever have grown.
  if (field.empty()) throw std::runtime_error("the memory of process " + std::to_string(pid) + " can't be read");
  return std::strtoull(field.c_str(), nullptr, 10) * kKibibyte;
}

std::map<int, std::string> descriptors_of(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  std::map<int, std::string> all;
  for (const auto& name : entries_of(folder)) {
    std::array<char, 256> target{};
    const ssize_t size = readlink((folder + "/" + name).c_str(), target.data(), target.size());
    if (size >= 0) all[std::atoi(name.c_str())] = std::string(target.data(), static_cast<std::size_t>(size));
  }
  return all;
}

std::vector<ThreadState> threads_of(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/task";
  std::vector<ThreadState> all;
  for (const auto& name : entries_of(folder)) {
    ThreadState thread;
    thread.id = std::atoi(name.c_str());
    thread.call = first_line(folder + "/" + name + "/syscall");
    thread.waits_without_limit = waits_without_limit(thread.call);
    std::ifstream status(folder + "/" + name + "/status");
    std::string line;
    while (std::getline(status, line))
      if (const auto at = line.find("ctxt_switches:"); at != line.npos)
        thread.switches += std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10);
    all.push_back(std::move(thread));
  }
  return all;
}

std::string program_folder() {
  std::array<char, 4096> path{};
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  const std::string_view text(path.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return std::string(text.substr(0, text.rfind('/')));
}

}  // namespace sluice_test
