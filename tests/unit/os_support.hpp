// What the tests of os/ share: a folder of their own that is also the runtime folder, processes to be the other end, and counts
// of descriptors.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>

#include "links/descriptor.hpp"
#include "links/meeting.hpp"

namespace sluice::inline v0::test {

inline constexpr unsigned kChildSeconds = 20;  // alarm(2) ends a child that hangs

// The runtime folder of a test, with nothing else in it; gone with the test.
class OsTest : public testing::Test {
 protected:
  OsTest() {
    std::string name = testing::TempDir() + "sluice-os-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "mkdtemp " << name;
    folder_ = name;
    ::setenv("SLUICE_RUNTIME_DIR", folder_.c_str(), 1);
  }
  ~OsTest() override {
    std::filesystem::remove_all(folder_);
    ::unsetenv("SLUICE_RUNTIME_DIR");
  }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + '/' + name; }
  [[nodiscard]] links::Place place(const std::string& where, Allow allow = Allow::same_user) const {
    return {.where = where, .options = {}, .allow = allow};
  }
  [[nodiscard]] std::size_t files_in_folder() const {
    const std::filesystem::directory_iterator files(folder_);
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
  }

  std::string folder_;
};

// A forked child: the other process of a test. Killed and reaped at the latest by the destructor.
class Child {
 public:
  // Runs `work` in the child, which exits with what it returns.
  template <class Work>
  explicit Child(Work work) : process_(::fork()) {
    if (process_ != 0) return;
    ::alarm(kChildSeconds);
    ::_exit(work());
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    kill();
    (void)wait();
  }

  void kill() const {
    if (!is_reaped_) ::kill(process_, SIGKILL);
  }
  void stop() const { ::kill(process_, SIGSTOP); }
  // Its exit status, or -1 if a signal ended it.
  int wait() {
    if (is_reaped_) return status_;
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    is_reaped_ = true;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return status_;
  }
  [[nodiscard]] pid_t id() const { return process_; }

 private:
  pid_t process_;
  bool is_reaped_{false};
  int status_{-1};
};

// A pipe on which one process tells another that it has come so far. Made with plain descriptors: it has to survive the fork.
class Signal {
 public:
  Signal() {
    if (::pipe(ends_) != 0) ADD_FAILURE() << "pipe";
  }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void give() const { (void)!::write(ends_[1], "!", 1); }
  void await() const {
    char byte = 0;
    EXPECT_EQ(::read(ends_[0], &byte, 1), 1);
  }

 private:
  int ends_[2]{-1, -1};
};

// Makes this process (a child) another user's; false unless it is root's.
[[nodiscard]] inline bool become_user(unsigned id) { return ::setresgid(id, id, id) == 0 && ::setresuid(id, id, id) == 0; }

[[nodiscard]] inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

[[nodiscard]] inline bool is_open(int descriptor) {
  return ::access(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), F_OK) == 0;
}

template <class Value>
[[nodiscard]] Errc code_of(const Result<Value>& result) {
  return result ? Errc{} : result.error().code;
}

}  // namespace sluice::inline v0::test
