// spawn(), Process, and inherited() in a program of its own.
#include "launching.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <thread>

#include "os_state.hpp"

namespace sluice_test {

bool has_children() {
  siginfo_t info{};
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

namespace {

using sluice::Deadline;
using sluice::Errc;

class Spawn : public testing::TestWithParam<const char*> {
 protected:
  void TearDown() override { EXPECT_FALSE(has_children()); }
  [[nodiscard]] static sluice::Result<sluice::Child> start(std::vector<std::string> words, Deadline deadline = kPatience) {
    words.insert(words.begin(), child_program());
    return sluice::spawn(GetParam(), words, deadline);
  }
};
INSTANTIATE_TEST_SUITE_P(Over, Spawn, over({"pipe:", "unix:", "local:"}), mechanism_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Spawn);

TEST_P(Spawn, TheChildFindsItsEndAndItsStatusIsTold) {
  auto child = start({"echo", "7"});
  ASSERT_DONE(child);
  EXPECT_EQ(child->channel.peer().process_id, child->process.id());
  EXPECT_FALSE(child->channel.traits().one_process);
  EXPECT_FALSE(child->channel.traits().identity);
  for (const std::size_t size : {0U, 1U, 300U, 1U << 20U}) expect_echo(child->channel, std::string(size, 'x'));
  EXPECT_CODE(child->process.wait(Deadline::now()), Errc::would_block);
  EXPECT_CODE(child->process.wait(1ms), Errc::timed_out);
  EXPECT_DONE(child->channel.close(kPatience));
  const auto ended = child->process.wait(kPatience);
  ASSERT_DONE(ended);
  EXPECT_EQ(ended->status, 7);
  EXPECT_FALSE(ended->signal);
  EXPECT_EQ(child->process.wait(Deadline::now()).value().status, 7) << "and again";
  EXPECT_DONE(child->process.kill()) << "it has ended";
}

TEST_P(Spawn, AProgramThatIsNotThereIsToldAtOnce) {
  const std::vector<std::string> words{"/no/such/program"};
  const auto child = sluice::spawn(GetParam(), words, kPatience);
  EXPECT_CODE(child, Errc::not_found);
  EXPECT_EQ(child.error().step, sluice::Step::spawn);
  EXPECT_EQ(child.error().os_code, ENOENT);
  const std::vector<std::string> name{"sluice-no-such-program"};
  EXPECT_CODE(sluice::spawn(GetParam(), name, kPatience), Errc::not_found);
  EXPECT_CODE(sluice::spawn(GetParam(), {}, kPatience), Errc::misuse);
  const std::vector<std::string> folder{"/"};
  const auto refused = sluice::spawn(GetParam(), folder, kPatience);
  EXPECT_CODE(refused, Errc::access_denied);
  EXPECT_EQ(refused.error().os_code, EACCES);
}

TEST_P(Spawn, AProgramThatExitsWithoutClaimingIsPeerDied) {
  const std::vector<std::string> words{"true"};  // looked for in PATH
  const auto child = sluice::spawn(GetParam(), words, kPatience);
  EXPECT_CODE(child, Errc::peer_died);
  EXPECT_EQ(child.error().step, sluice::Step::spawn);
}

TEST_P(Spawn, AProgramThatIgnoresItsEndIsKilledAtTheDeadline) {
  EXPECT_CODE(start({"sleep"}, 100ms), Errc::timed_out);
  EXPECT_CODE(start({"sleep"}, Deadline::now()), Errc::would_block);
}

TEST_P(Spawn, AChildThatIsKilledHasSaidWhatItHasSaid) {
  auto child = start({"die"});
  ASSERT_DONE(child);
  for (const char* text : {"one", "two", "three"}) {
    const auto message = child->channel.receive(kPatience);
    ASSERT_DONE(message);
    EXPECT_EQ(text_of(*message), text);
  }
  EXPECT_CODE(child->channel.receive(kPatience), Errc::peer_died);
  const auto ended = child->process.wait(kPatience);
  ASSERT_DONE(ended);
  EXPECT_EQ(ended->signal, SIGKILL);
  EXPECT_EQ(ended->status, 128 + SIGKILL);
}

TEST_P(Spawn, KillEndsItAndWakesWhoWaits) {
  auto child = start({"echo", "0"});
  ASSERT_DONE(child);
  std::thread waiting([&] { EXPECT_EQ(child->process.wait(kPatience).value().signal, SIGKILL); });
  EXPECT_DONE(child->process.kill());
  waiting.join();
  pollfd ended{static_cast<int>(child->process.waitable().native), POLLIN, 0};
  EXPECT_EQ(poll(&ended, 1, 0), 1);
  EXPECT_CODE(child->channel.receive(kPatience), Errc::peer_died);
}

// Whatever the state of this process is: the child gets its end, the standard streams, and nothing ignored or blocked.
TEST_P(Spawn, TheChildHasNothingElseOfOurs) {
  auto other = start({"echo", "0"});
  ASSERT_DONE(other);
  const BlockedSignals blocked{SIGUSR1, SIGTERM};
  const IgnoredSignal ignored{SIGPIPE};
  setenv("SLUICE_INHERITED_OTHER", "pipe:77,78", 1);
  auto child = start({"look"});
  unsetenv("SLUICE_INHERITED_OTHER");
  ASSERT_DONE(child);
  const auto message = child->channel.receive(kPatience);
  ASSERT_DONE(message);
  const std::string said = text_of(*message);
  const auto claimed = said.find("after claiming\n");
  ASSERT_NE(claimed, said.npos);
  const bool is_pipe = std::string_view{GetParam()}.starts_with("pipe");
  const auto count = [](std::string_view text, std::string_view what) {
    std::size_t found = 0;
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++found;
    return found;
  };
  const std::string before = said.substr(0, claimed);
  EXPECT_EQ(count(before, "variable SLUICE_INHERITED"), 1U) << said;
  EXPECT_EQ(count(said.substr(claimed), "variable SLUICE_INHERITED"), 0U) << said;
  std::size_t inherited_by_anybody = 0;  // whatever this program itself was started with
  for (const auto& [fd, target] : descriptors_of(getpid()))
    if (fd > STDERR_FILENO && (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) ++inherited_by_anybody;
  EXPECT_EQ(count(before, "descriptor "), inherited_by_anybody + (is_pipe ? 2U : 1U)) << said;
  EXPECT_EQ(count(said, "blocked"), 0U) << said;
  EXPECT_EQ(count(said, "ignored"), 0U) << said;
  EXPECT_CODE(child->channel.receive(kPatience), Errc::closed) << "which the child's close() waits for";
  EXPECT_DONE(child->process.wait(kPatience));
  EXPECT_DONE(other->process.kill());
  EXPECT_DONE(other->process.wait(kPatience));
}

// Over `local` the child has the memory, too, and not only the socket that it inherited.
TEST(SpawnOverLocal, MessagesLieInSharedMemory) {
  NEEDS("local");
  const std::vector<std::string> words{child_program(), "echo", "0"};
  auto child = sluice::spawn("local:", words, kPatience);
  ASSERT_DONE(child);
  EXPECT_EQ(child->channel.traits().fallback, "");
  EXPECT_DONE(child->channel.send(bytes_of("to and fro"), kPatience));
  const auto message = child->channel.receive(kPatience);
  ASSERT_DONE(message);
  EXPECT_EQ(text_of(*message), "to and fro");
  EXPECT_TRUE(message->shared());
  EXPECT_CODE(sluice::child_end("local:somewhere"), Errc::invalid_endpoint);
}

TEST_P(Spawn, AGrandchildFindsNothing) {
  auto child = start({"grandchild"});
  ASSERT_DONE(child);
  const auto message = child->channel.receive(kPatience);
  ASSERT_DONE(message);
  EXPECT_EQ(text_of(*message), "3") << "not_found";
  EXPECT_CODE(child->channel.receive(kPatience), Errc::closed) << "which the child's close() waits for";
  EXPECT_EQ(child->process.wait(kPatience).value().status, 0);
}

// The forked child of a killed one sleeps on: it holds nothing of the channel.
TEST_P(Spawn, AForkedChildOfTheDeadHoldsNothingUp) {
  std::array<int, 2> until{};
  ASSERT_EQ(pipe2(until.data(), O_CLOEXEC), 0);
  fcntl(until[0], F_SETFD, 0);
  auto child = start({"fork", std::to_string(until[0])});
  close(until[0]);
  ASSERT_DONE(child);
  const auto message = child->channel.receive(kPatience);
  ASSERT_DONE(message);
  EXPECT_CODE(child->channel.receive(kPatience), Errc::peer_died);
  EXPECT_EQ(kill(std::stoi(text_of(*message)), 0), 0) << "it still lives";
  close(until[1]);
  EXPECT_DONE(child->process.wait(kPatience));
}

// Who is let go of while it runs is reaped later.
TEST_P(Spawn, NobodyStaysAZombie) {
  std::int64_t id = 0;
  {
    auto child = start({"echo", "0"});
    ASSERT_DONE(child);
    id = child->process.id();
  }  // neither waits nor kills: the child sees the end of its channel, and exits
  const auto until = std::chrono::steady_clock::now() + kPatience;
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(id), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0 &&
         std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_TRUE(has_children()) << "a zombie, as yet";
  auto another = start({"echo", "0"});
  ASSERT_DONE(another);
  EXPECT_DONE(another->process.kill());
  EXPECT_DONE(another->process.wait(kPatience));
}

TEST_P(Spawn, WhoIsReapedElsewhereIsNotFound) {
  auto child = start({"echo", "0"});
  ASSERT_DONE(child);
  EXPECT_DONE(child->process.kill());
  EXPECT_EQ(waitpid(static_cast<pid_t>(child->process.id()), nullptr, 0), child->process.id());
  EXPECT_CODE(child->process.wait(kPatience), Errc::not_found);
  EXPECT_CODE(child->process.wait(kPatience), Errc::not_found);
}

TEST_P(Spawn, MovedFromAndForkedAreMisuse) {
  auto child = start({"echo", "0"});
  ASSERT_DONE(child);
  const pid_t forked = fork();
  if (forked == 0) {
    const bool is_refused =
        child->process.wait(Deadline::now()).error().code == Errc::misuse && child->process.kill().error().code == Errc::misuse;
    child->process = sluice::Process{std::move(child->process)};  // and its destructor leaves the parent's child alone
    _exit(is_refused ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(forked, &status, 0), forked);
  EXPECT_EQ(status, 0);
  auto process = std::move(child->process);
  EXPECT_CODE(child->process.wait(Deadline::now()), Errc::misuse);  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_CODE(child->process.kill(), Errc::misuse);
  EXPECT_EQ(child->process.id(), -1);
  EXPECT_DONE(process.kill());
  EXPECT_DONE(process.wait(kPatience));
}

TEST_P(Spawn, NothingStaysOpen) {
  const auto before = descriptors_of(getpid()).size();
  for (int round = 0; round < 3; ++round) {
    auto child = start({"echo", "0"});
    ASSERT_DONE(child);
    EXPECT_CODE(sluice::spawn(GetParam(), std::vector<std::string>{"/no/such"}, kPatience), Errc::not_found);
    EXPECT_DONE(child->process.kill());
    EXPECT_DONE(child->process.wait(kPatience));
  }
  EXPECT_EQ(descriptors_of(getpid()).size(), before);
}

// Many at once, from several threads.
TEST_P(Spawn, ThreadsSpawnAtTheSameTime) {
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([number] {
      for (int round = 0; round < 3; ++round) {
        auto child = start({"echo", std::to_string(number)});
        ASSERT_DONE(child);
        expect_echo(child->channel, std::to_string(number));
        EXPECT_DONE(child->channel.close(kPatience));
        EXPECT_EQ(child->process.wait(kPatience).value().status, number);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(SpawnAnything, WhatCannotBeInheritedSaysSo) {
  const std::vector<std::string> words{child_program(), "sleep"};
  NEEDS("tcp", "inproc");
  for (const char* endpoint : {"tcp:", "inproc:"}) {
    const auto child = sluice::spawn(endpoint, words, kPatience);
    EXPECT_CODE(child, Errc::not_supported) << endpoint;
  }
  EXPECT_CODE(sluice::spawn("no", words), Errc::invalid_endpoint);
}

}  // namespace
}  // namespace sluice_test
