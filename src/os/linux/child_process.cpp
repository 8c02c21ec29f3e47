// links::ChildProcess over posix_spawn(3), which runs nothing of ours in the child (clone(2) with CLONE_VM | CLONE_VFORK: no
// fork handler, and the memory is shared until the program runs) and returns why execve(2) has failed; and over a pidfd
// (pidfd_open(2)), which no other process ever comes to stand for.
#include "links/child_process.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "os/failure.hpp"
#include "os/handles.hpp"
#include "os/process_tether.hpp"

namespace sluice::inline v0::links {
namespace {

constexpr auto kPidfd = static_cast<idtype_t>(3);  // P_PIDFD, waitid(2); musl and older headers lack the name
constexpr int kShellsSignal = 128;                 // what shells add to a signal's number

int number(const Descriptor& descriptor) noexcept { return static_cast<int>(descriptor.native()); }

Error spawn_failure(int os_code) noexcept {
  Error error = os::failure(os_code, Step::spawn);
  if (os_code == EAGAIN || os_code == E2BIG) error.code = Errc::limit_reached;  // RLIMIT_NPROC; execve(2), "Limits on size"
  if (os_code == ENAMETOOLONG || os_code == ELOOP) error.code = Errc::not_found;
  return error;
}

// posix_spawn wants pointers that it doesn't write through.
std::vector<char*> pointers_to(std::span<const std::string> words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const auto& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Ours, without what is left out or set anew.
std::vector<char*> environment_for(const ChildProcess::Start& start) {
  std::vector<char*> variables;
  for (char** ours = environ; ours != nullptr && *ours != nullptr; ++ours) {
    const std::string_view variable{*ours};
    if (!start.left_out.empty() && variable.starts_with(start.left_out)) continue;
    variables.push_back(*ours);
  }
  const auto added = pointers_to(start.environment);
  variables.insert(variables.end(), added.begin(), added.end());
  return variables;
}

// RAII over what posix_spawn is told.
class Instructions {
 public:
  Instructions() noexcept {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  Instructions(const Instructions&) = delete;
  Instructions& operator=(const Instructions&) = delete;
  ~Instructions() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  // 0 or an error number.
  int prepare(std::span<const Descriptor> handles) noexcept {
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    for (const auto& handle : handles) {
      // To itself: that clears FD_CLOEXEC in the child alone (posix_spawn_file_actions_adddup2 of POSIX.1-2024; glibc 2.29).
      const int failed = ::posix_spawn_file_actions_adddup2(&actions_, number(handle), number(handle));
      if (failed != 0) return failed;
    }
    return 0;
  }

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const noexcept { return &actions_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const noexcept { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

Exit exit_of(const siginfo_t& info) noexcept {
  if (info.si_code == CLD_EXITED) return {info.si_status, {}};
  return {kShellsSignal + info.si_status, info.si_status};
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const Start& start) {
  if (start.argv.empty()) return Error{Errc::misuse, Step::spawn, 0, 0, 0};
  const auto argv = pointers_to(start.argv);
  const auto environment = environment_for(start);
  Instructions instructions;
  if (const int failed = instructions.prepare(start.handles); failed != 0) return spawn_failure(failed);
  pid_t id = -1;
  const int failed =
      ::posix_spawnp(&id, argv[0], instructions.actions(), instructions.attributes(), argv.data(), environment.data());
  if (failed != 0) return spawn_failure(failed);
  Descriptor process{static_cast<Descriptor::Native>(::syscall(SYS_pidfd_open, id, 0))};
  if (process) {
    // Its number stands for it as long as nobody has reaped it. Has somebody, then what was opened may be another's: no child.
    siginfo_t info{};
    if (::waitid(kPidfd, static_cast<id_t>(number(process)), &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
      return ChildProcess{std::move(process), id};
    }
    return Error{Errc::peer_died, Step::spawn, errno, 0, 0};
  }
  const Error error = spawn_failure(errno);
  if (error.os_code == ESRCH) return Error{Errc::peer_died, Step::spawn, error.os_code, 0, 0};
  // Without a handle of it nothing can be made of it: it is ended. The number is still its own, unless somebody has reaped it.
  // One that can't be killed (it has become another user's) goes on, and stays a zombie when it has ended.
  if (::kill(id, SIGKILL) == 0) {
    while (::waitpid(id, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  return error;
}

Result<Exit> ChildProcess::reap() const noexcept {
  siginfo_t info{};
  while (::waitid(kPidfd, static_cast<id_t>(number(process_)), &info, WEXITED | WNOHANG) != 0) {
    if (errno == EINTR) continue;
    return Error{errno == ECHILD ? Errc::not_found : os::failure(errno, Step::wait).code, Step::wait, errno, 0, 0};
  }
  if (info.si_pid == 0) return Error{Errc::would_block, Step::wait, 0, 0, 0};
  return exit_of(info);
}

Result<void> ChildProcess::kill() const noexcept {
  if (::syscall(SYS_pidfd_send_signal, number(process_), SIGKILL, nullptr, 0) == 0 || errno == ESRCH) return {};
  return os::failure(errno, Step::spawn);
}

void ChildProcess::wait_and_reap() const noexcept {
  siginfo_t info{};
  while (::waitid(kPidfd, static_cast<id_t>(number(process_)), &info, WEXITED) != 0 && errno == EINTR) {
  }
}

Result<std::unique_ptr<Tether>> ChildProcess::tether() const {
  auto second = os::duplicate(process_.native(), Step::spawn);
  if (!second) return second.error();
  return os::tether_to_process(*std::move(second));
}

}  // namespace sluice::inline v0::links
