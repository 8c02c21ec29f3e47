// What is handed over stands the world outside: children that become another user's, programs that know nothing of Sluice, open
// files that others share.
#include "launching.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

namespace sluice_test {
namespace {

using sluice::Deadline;
using sluice::Errc;
using sluice::Handle;

int native(const Handle& handle) { return static_cast<int>(handle.native()); }
bool is_nonblocking(int descriptor) { return (fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0; }

// ---- spawn ---------------------------------------------------------------------------------------------------------------

// Root's right to kill anybody, which this thread does without meanwhile.
class WithoutTheRightToKill {
 public:
  WithoutTheRightToKill() {
    taken_ = syscall(SYS_capget, &header_, before_.data()) == 0;
    auto without = before_;
    without[0].effective &= ~(1U << CAP_KILL);
    taken_ = taken_ && syscall(SYS_capset, &header_, without.data()) == 0;
  }
  WithoutTheRightToKill(const WithoutTheRightToKill&) = delete;
  WithoutTheRightToKill& operator=(const WithoutTheRightToKill&) = delete;
  ~WithoutTheRightToKill() {
    if (taken_) syscall(SYS_capset, &header_, before_.data());
  }
  [[nodiscard]] bool is_taken() const { return taken_; }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> before_{};
  bool taken_{false};
};

TEST(HandedOver, AChildThatCannotBeKilledIsNotWaitedFor) {
  NEEDS("pipe");
  if (geteuid() != 0) GTEST_SKIP() << "only root's children can become another user's";
  const WithoutTheRightToKill without;
  ASSERT_TRUE(without.is_taken());
  std::array<int, 2> until{};
  ASSERT_EQ(pipe2(until.data(), O_CLOEXEC), 0);
  fcntl(until[0], F_SETFD, 0);
  const std::vector<std::string> words{child_program(), "nobody", std::to_string(until[0])};
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_CODE(sluice::spawn("pipe:", words, 500ms), Errc::timed_out);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kPatience);
  siginfo_t info{};
  EXPECT_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), 0);
  EXPECT_EQ(info.si_pid, 0) << "it lives";
  close(until[0]);
  close(until[1]);
  ASSERT_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
  auto another = sluice::spawn("pipe:", std::vector<std::string>{child_program(), "echo", "0"}, kPatience);
  ASSERT_DONE(another);
  EXPECT_DONE(another->process.kill());
  EXPECT_DONE(another->process.wait(kPatience));
  EXPECT_FALSE(has_children()) << "it was reaped when it had ended";
}

// ---- strangers -----------------------------------------------------------------------------------------------------------

class HandedOverTo : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Over, HandedOverTo, over({"pipe:?framing=line", "unix:?framing=line"}), mechanism_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HandedOverTo);

// It finds blocking descriptors, as every program expects of what it is given.
TEST_P(HandedOverTo, AProgramThatKnowsNothingOfSluice) {
  auto end = sluice::child_end(GetParam());
  ASSERT_DONE(end);
  const auto& handles = end->launch.handles;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const auto& handle : handles) {
    EXPECT_FALSE(is_nonblocking(native(handle)));
    posix_spawn_file_actions_adddup2(&actions, native(handle), native(handle));
  }
  std::array<std::string, 4> words{child_program(), "plain", std::to_string(native(handles.front())),
                                   std::to_string(native(handles.back()))};
  std::array<char*, 5> argv{words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  pid_t child = -1;
  ASSERT_EQ(posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  end->launch = {};
  expect_echo(end->channel, "a line");
  EXPECT_CODE(end->channel.receive(kPatience), Errc::closed);
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// … and one that does finds out which framing it is.
TEST_P(HandedOverTo, ASluiceProgramInheritsTheFraming) {
  auto child = sluice::spawn(GetParam(), std::vector<std::string>{child_program(), "plain"}, kPatience);
  ASSERT_DONE(child);
  EXPECT_EQ(child->channel.traits().framing, "line");
  expect_echo(child->channel, "a line");
  EXPECT_CODE(child->channel.receive(kPatience), Errc::closed);
  EXPECT_EQ(child->process.wait(kPatience).value().status, 0);
}

// ---- what can't be claimed -----------------------------------------------------------------------------------------------

// It may be anybody's, and stays open; but it goes to no program that this one starts.
TEST(HandedOver, WhatCannotBeClaimedIsPassedOnToNobody) {
  NEEDS("pipe", "unix");
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), 0), 0);
  const std::string reading = std::to_string(ends[0]);
  const std::string writing = std::to_string(ends[1]);
  const int of_stream = fcntl(STDERR_FILENO, F_GETFD);
  for (const std::string& value : {"pipe:" + writing + "," + reading, "pipe:" + reading + "," + writing + "?max_message=x",
                                   "nothing:" + reading + "," + writing, "unix:" + reading + "," + writing + ",2"}) {
    for (const int end : ends) fcntl(end, F_SETFD, 0);
    setenv("SLUICE_INHERITED", value.c_str(), 1);
    EXPECT_FALSE(sluice::inherited({}, Deadline::now())) << value;
    for (const int end : ends) EXPECT_EQ(fcntl(end, F_GETFD), FD_CLOEXEC) << value;
    EXPECT_EQ(fcntl(STDERR_FILENO, F_GETFD), of_stream);
  }
  for (const int end : ends) close(end);
}

}  // namespace
}  // namespace sluice_test
