// Standard streams and started programs on Linux. That a pipe takes more is told by an epoll(7) set of its own, which is
// readable then: event loops of the library wait for what is readable.
#include "streams.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <utility>

#include "posix/file.hpp"
#include "report.hpp"

namespace tool {

namespace {

using posix::File;

class DescriptorIn final : public InStream {
 public:
  DescriptorIn(File owned, int descriptor) noexcept : owned_(std::move(owned)), descriptor_(descriptor) {}

  [[nodiscard]] sluice::Waitable waitable() const noexcept override { return {descriptor_}; }
  [[nodiscard]] std::expected<std::size_t, std::string> read(std::span<std::byte> room) override {
    ssize_t got = -1;
    do got = ::read(descriptor_, room.data(), room.size());
    while (got < 0 && errno == EINTR);
    if (got < 0) return std::unexpected(system_text(errno));
    return static_cast<std::size_t>(got);
  }

 private:
  File owned_;  // closed for standard input
  int descriptor_;
};

class StandardOutput final : public OutStream {
 public:
  [[nodiscard]] sluice::Waitable waitable() const noexcept override { return {}; }
  [[nodiscard]] std::expected<std::size_t, std::string> write(std::span<const std::byte> bytes) override {
    if (const int code = posix::write_all(STDOUT_FILENO, bytes)) return std::unexpected(system_text(code));
    return bytes.size();
  }
};

// The end of a pipe that another process reads.
class PipeOut final : public OutStream {
 public:
  PipeOut(File pipe, File set) noexcept : pipe_(std::move(pipe)), set_(std::move(set)) {}

  [[nodiscard]] sluice::Waitable waitable() const noexcept override { return {set_.get()}; }
  [[nodiscard]] std::expected<std::size_t, std::string> write(std::span<const std::byte> bytes) override {
    ssize_t written = -1;
    do written = ::write(pipe_.get(), bytes.data(), bytes.size());
    while (written < 0 && errno == EINTR);
    if (written >= 0) return static_cast<std::size_t>(written);
    if (errno == EAGAIN) return std::size_t{0};
    return std::unexpected(system_text(errno));
  }

 private:
  File pipe_;
  File set_;
};

class ShellProgram final : public Program {
 public:
  explicit ShellProgram(pid_t process) noexcept : process_(process) {}
  ~ShellProgram() override {
    input.reset();
    output.reset();
    (void)ShellProgram::wait();
  }

  void terminate() noexcept override {
    if (!status_) ::kill(process_, SIGTERM);
  }
  [[nodiscard]] bool has_ended() override {
    reap(WNOHANG);
    return status_.has_value();
  }
  [[nodiscard]] std::string wait() override {
    reap(0);
    if (!status_ || *status_ == 0) return {};
    if (WIFSIGNALED(*status_)) return fmt::format("was ended by signal {}", WTERMSIG(*status_));
    return fmt::format("exited with status {}", WEXITSTATUS(*status_));
  }

 private:
  void reap(int options) noexcept {
    if (status_) return;
    int status = 0;
    pid_t reaped = -1;
    do reaped = ::waitpid(process_, &status, options);
    while (reaped < 0 && errno == EINTR);
    if (reaped != 0) status_ = reaped < 0 ? 0 : status;  // somebody else may have reaped it
  }

  pid_t process_;
  std::optional<int> status_;
};

struct Pipe {
  File reading;
  File writing;
};

std::expected<Pipe, std::string> make_pipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::unexpected(system_text(errno));
  return Pipe{File(ends[0]), File(ends[1])};
}

std::expected<std::unique_ptr<OutStream>, std::string> out_stream(File pipe) {
  // Of our end alone: the other has an open file description of its own (pipe(7)).
  if (::fcntl(pipe.get(), F_SETFL, O_NONBLOCK) != 0) return std::unexpected(system_text(errno));
  File set(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLOUT;
  if (!set.is_open() || ::epoll_ctl(set.get(), EPOLL_CTL_ADD, pipe.get(), &event) != 0)
    return std::unexpected(system_text(errno));
  return std::make_unique<PipeOut>(std::move(pipe), std::move(set));
}

// Runs `sh -c command` with these as its standard input and output: its process, or the errno, negative.
pid_t run_shell(const std::string& command, const Pipe& to, const Pipe& from) {
  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&files, to.reading.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, from.writing.get(), STDOUT_FILENO);
  sigset_t signals;  // which we ignore, and it must not
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &signals);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  std::string copy = command;
  std::array<char, 3> shell{"sh"};
  std::array<char, 3> option{"-c"};
  const std::array<char*, 4> arguments{shell.data(), option.data(), copy.data(), nullptr};
  pid_t process = -1;
  const int code = ::posix_spawn(&process, "/bin/sh", &files, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  return code == 0 ? process : -code;
}

}  // namespace

std::unique_ptr<InStream> standard_input() { return std::make_unique<DescriptorIn>(File(), STDIN_FILENO); }

std::unique_ptr<OutStream> standard_output() {
  // A reader that left is an error of write(), not our end.
  (void)std::signal(SIGPIPE, SIG_IGN);
  return std::make_unique<StandardOutput>();
}

std::expected<std::unique_ptr<Program>, std::string> start_program(const std::string& command) {
  (void)std::signal(SIGPIPE, SIG_IGN);
  auto to = make_pipe();
  if (!to) return std::unexpected(to.error());
  auto from = make_pipe();
  if (!from) return std::unexpected(from.error());
  auto input = out_stream(std::move(to->writing));
  if (!input) return std::unexpected(input.error());
  const pid_t process = run_shell(command, *to, *from);
  if (process < 0) return std::unexpected(system_text(-process));
  auto program = std::make_unique<ShellProgram>(process);
  program->input = *std::move(input);
  const int reading = from->reading.get();
  program->output = std::make_unique<DescriptorIn>(std::move(from->reading), reading);
  return program;
}

}  // namespace tool
