// Processes on POSIX. The program itself is found by /proc/self/exe (proc(5)): also if its file was moved or replaced since.
#include "processes.hpp"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

// POSIX leaves its declaration to the program (environ(7)).
extern char** environ;  // NOLINT(readability-redundant-declaration): glibc declares it, others don't

namespace tool {

namespace {

class Spawned final : public ChildProcess {
 public:
  explicit Spawned(pid_t id) noexcept : id_(id) {}
  ~Spawned() override {
    if (reaped_) return;
    Spawned::kill();
    (void)Spawned::wait();
  }

  [[nodiscard]] std::int64_t id() const noexcept override { return id_; }

  void kill() noexcept override {
    if (!reaped_) (void)::kill(id_, SIGKILL);  // until then nobody else has its id
  }

  [[nodiscard]] int wait() noexcept override {
    if (reaped_) return status_;
    int status = 0;
    pid_t ended = -1;
    do ended = ::waitpid(id_, &status, 0);
    while (ended < 0 && errno == EINTR);
    reaped_ = true;
    constexpr int kSignalled = 128;
    if (ended == id_) status_ = WIFSIGNALED(status) ? kSignalled + WTERMSIG(status) : WEXITSTATUS(status);
    return status_;
  }

 private:
  pid_t id_;
  bool reaped_{false};
  int status_{-1};
};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

class FileActions {
 public:
  FileActions() noexcept { (void)::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { (void)::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  // A descriptor that is duplicated to itself loses its FD_CLOEXEC: POSIX.1-2024, and glibc since 2.29 (posix_spawn(3)).
  [[nodiscard]] int inherit(int descriptor) noexcept {
    return ::posix_spawn_file_actions_adddup2(&actions_, descriptor, descriptor);
  }
  [[nodiscard]] const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

}  // namespace

std::expected<std::unique_ptr<ChildProcess>, int> start_self(const std::vector<std::string>& arguments,
                                                             std::span<const sluice::Handle> handles,
                                                             const std::vector<std::string>& environment) {
  std::vector<std::string> words{"sluice"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  variables.insert(variables.end(), environment.begin(), environment.end());
  FileActions actions;
  for (const sluice::Handle& handle : handles)
    if (const int code = actions.inherit(static_cast<int>(handle.native()))) return std::unexpected(code);
  pid_t id = -1;
  const int code =
      ::posix_spawn(&id, "/proc/self/exe", actions.get(), nullptr, pointers_to(words).data(), pointers_to(variables).data());
  if (code != 0) return std::unexpected(code);
  return std::make_unique<Spawned>(id);
}

std::int64_t own_process_id() noexcept { return ::getpid(); }

void end_process_after(double seconds) noexcept { (void)::alarm(static_cast<unsigned>(seconds) + 1); }

ContextSwitches context_switches() noexcept {
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  return {usage.ru_nvcsw, usage.ru_nivcsw};
}

ScratchFolder::ScratchFolder() {
  const char* const parent = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): the tool has one thread
  std::string path = std::string(parent != nullptr && *parent != '\0' ? parent : "/tmp") + "/sluice-bench-XXXXXX";
  if (::mkdtemp(path.data()) != nullptr) path_ = std::move(path);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace tool
