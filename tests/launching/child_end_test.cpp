// child_end(), and inherited() as a launcher of one's own uses them; ends that travel to other processes; hostile environments.
#include "launching.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <thread>

namespace sluice_test {
namespace {

using sluice::Deadline;
using sluice::Errc;

class ChildEnds : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { descriptors_ = descriptors_of(getpid()).size(); }
  void TearDown() override { EXPECT_EQ(descriptors_of(getpid()).size(), descriptors_); }

  // Plays the launched process: the variables are set here, and the handles are ours.
  static void put_into_environment(sluice::Launch launch) {
    for (auto& variable : launch.environment) {
      const auto equals = variable.find('=');
      setenv(variable.substr(0, equals).c_str(), variable.c_str() + equals + 1, 1);
    }
    for (auto& handle : launch.handles) (void)handle.release();
  }

 private:
  std::size_t descriptors_{0};
};
INSTANTIATE_TEST_SUITE_P(Over, ChildEnds, over({"pipe:", "unix:", "local:"}), mechanism_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ChildEnds);

TEST_P(ChildEnds, IsThereAtOnceAndConnectsOnceItIsClaimed) {
  auto end = sluice::child_end(GetParam());
  ASSERT_DONE(end);
  ASSERT_EQ(end->launch.environment.size(), 1U);
  for (const auto& handle : end->launch.handles) {
    EXPECT_GT(handle.native(), STDERR_FILENO);
    EXPECT_NE(fcntl(static_cast<int>(handle.native()), F_GETFD) & FD_CLOEXEC, 0);
  }
  auto& channel = end->channel;
  EXPECT_CODE(channel.send(bytes_of("early"), Deadline::now()), Errc::would_block);
  EXPECT_CODE(channel.receive(1ms), Errc::timed_out);
  EXPECT_FALSE(channel.ended());
  put_into_environment(std::move(end->launch));
  std::thread other([] {
    auto inherited = sluice::inherited({}, kPatience);
    ASSERT_DONE(inherited);
    EXPECT_CODE(sluice::inherited({}, kPatience), Errc::not_found) << "once";
    const auto message = inherited->receive(kPatience);
    ASSERT_DONE(message);
    EXPECT_DONE(inherited->send(message->bytes(), kPatience));
    EXPECT_CODE(inherited->receive(kPatience), Errc::closed);
  });
  expect_echo(channel, "hello");
  EXPECT_DONE(channel.close(kPatience));
  other.join();
}

TEST_P(ChildEnds, SeveralHaveNames) {
  auto left = sluice::child_end(GetParam(), "left");
  auto right = sluice::child_end(GetParam(), "right");
  ASSERT_DONE(left);
  ASSERT_DONE(right);
  std::vector<std::string> environment;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (auto* end : {&*left, &*right}) {
    environment.push_back(end->launch.environment[0]);
    for (const auto& handle : end->launch.handles)
      posix_spawn_file_actions_adddup2(&actions, static_cast<int>(handle.native()), static_cast<int>(handle.native()));
  }
  std::array<char*, 3> variables{environment[0].data(), environment[1].data(), nullptr};
  std::string program = child_program();
  std::string mode = "names";
  std::array<char*, 3> words{program.data(), mode.data(), nullptr};
  pid_t child = -1;
  ASSERT_EQ(posix_spawn(&child, program.c_str(), &actions, nullptr, words.data(), variables.data()), 0);
  posix_spawn_file_actions_destroy(&actions);
  left->launch = {};
  right->launch = {};
  // The child flushes one after the other: whoever has its answer still has to be in a call, to say so.
  const auto echo_until_closed = [](sluice::Channel& channel, const std::string& text) {
    expect_echo(channel, text);
    EXPECT_CODE(channel.receive(kPatience), Errc::closed);
  };
  std::thread other([&] { echo_until_closed(right->channel, "right"); });
  echo_until_closed(left->channel, "left");
  other.join();
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 3) << "not found when claimed again";
}

TEST_P(ChildEnds, AnEndThatIsGoneIsPeerDied) {
  auto end = sluice::child_end(GetParam());
  ASSERT_DONE(end);
  end->launch = {};  // nobody has it any more
  const auto received = end->channel.receive(kPatience);
  EXPECT_CODE(received, Errc::peer_died);
  EXPECT_CODE(end->channel.send(bytes_of("x"), kPatience), Errc::peer_died) << "and again";
  EXPECT_EQ(end->channel.ended()->code, Errc::peer_died);
}

TEST_P(ChildEnds, NamesAreWords) {
  EXPECT_CODE(sluice::child_end(GetParam(), "no-hyphen"), Errc::misuse);
  EXPECT_CODE(sluice::child_end(GetParam(), "a=b"), Errc::misuse);
  EXPECT_CODE(sluice::inherited("a b", Deadline::now()), Errc::misuse);
  EXPECT_CODE(sluice::inherited("nothing", Deadline::now()), Errc::not_found);
}

// Ends that are made together meet nowhere: a name that would be left unused is no name that was understood.
TEST_P(ChildEnds, HaveNoPlace) {
  const std::string endpoint = GetParam() + std::string{"/somewhere"};
  const auto end = sluice::child_end(endpoint);
  ASSERT_FALSE(end);
  EXPECT_CODE(end, Errc::invalid_endpoint);
  EXPECT_NE(sluice::describe(end.error(), endpoint).find("behind the colon"), std::string::npos);
  const std::vector<std::string> words{child_program(), "echo"};
  EXPECT_CODE(sluice::spawn(endpoint, words, kPatience), Errc::invalid_endpoint);
}

// The end travels to a process that has nothing to do with this one, as handles of a message.
TEST(ChildEnd, TravelsOverAnotherChannel) {
  NEEDS("pipe", "unix");
  const std::vector<std::string> words{child_program(), "adopt"};
  auto child = sluice::spawn("unix:", words, kPatience);
  ASSERT_DONE(child);
  auto end = sluice::child_end("pipe:");
  ASSERT_DONE(end);
  ASSERT_DONE(child->channel.send({.parts = {}, .handles = end->launch.handles}, kPatience));
  end->launch = {};
  expect_echo(end->channel, "over the pipe");
  EXPECT_CODE(end->channel.receive(kPatience), Errc::closed) << "which the child's flush() and close() wait for";
  EXPECT_CODE(child->channel.receive(kPatience), Errc::closed);
  EXPECT_EQ(child->process.wait(kPatience).value().status, 0);
}

// Whatever the environment says: an error, and what is open under a number that it names stays open.
TEST(Inherited, WhatMakesNoSenseIsProtocolError) {
  NEEDS("pipe", "unix");
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const std::string reading = std::to_string(ends[0]);
  const std::string writing = std::to_string(ends[1]);
  const std::string more(std::size_t{100} << 10, '1');
  for (const std::string& value : {std::string{},
                                   std::string{"pipe"},
                                   std::string{"pipe:"},
                                   std::string{"pipe:x"},
                                   std::string{"pipe:,"},
                                   "pipe:" + reading,
                                   "pipe:" + reading + "," + reading,
                                   "pipe:" + writing + "," + reading,
                                   "pipe:" + reading + ",",
                                   "pipe:" + reading + "," + writing + "x",
                                   "pipe:" + reading + "," + writing + "," + reading,
                                   std::string{"pipe:-1,-2"},
                                   std::string{"pipe:1000000,1000001"},
                                   std::string{"pipe:99999999999999999999,4"},
                                   std::string{"pipe:4294967296,4294967297"},
                                   "pipe:" + more,
                                   std::string{"no_mechanism:1"},
                                   std::string{"unix:"} + reading,
                                   "unix:" + reading + "," + writing,
                                   "pipe:" + reading + "," + writing + "?max_message=x",
                                   std::string{"pipe:%"}}) {
    setenv("SLUICE_INHERITED", value.c_str(), 1);
    const auto channel = sluice::inherited({}, Deadline::now());
    EXPECT_CODE(channel, Errc::protocol_error) << value.substr(0, 100);
    EXPECT_EQ(getenv("SLUICE_INHERITED"), nullptr) << "claimed, whatever it was";
    EXPECT_NE(fcntl(ends[0], F_GETFD), -1) << value.substr(0, 100);
    EXPECT_NE(fcntl(ends[1], F_GETFD), -1) << value.substr(0, 100);
  }
  close(ends[0]);
  close(ends[1]);
}

// Our own hello that comes back is no peer's.
TEST(Inherited, ALoopIsNoPeer) {
  NEEDS("pipe");
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  setenv("SLUICE_INHERITED", ("pipe:" + std::to_string(ends[0]) + "," + std::to_string(ends[1])).c_str(), 1);
  EXPECT_CODE(sluice::inherited({}, kPatience), Errc::protocol_error);
  EXPECT_EQ(fcntl(ends[0], F_GETFD), -1) << "they were the ends that it says";
}

TEST(Inherited, ASilentParentIsTimedOut) {
  NEEDS("pipe");
  auto end = sluice::child_end("pipe:");
  ASSERT_DONE(end);
  const auto variable = end->launch.environment[0];
  setenv("SLUICE_INHERITED", variable.substr(variable.find('=') + 1).c_str(), 1);
  for (auto& handle : end->launch.handles) (void)handle.release();
  EXPECT_CODE(sluice::inherited({}, 50ms), Errc::timed_out);
}

TEST(Pipe, HasNoNames) {
  NEEDS("pipe");
  EXPECT_CODE(sluice::listen("pipe:"), Errc::not_supported);
  EXPECT_CODE(sluice::connect("pipe:", Deadline::now()), Errc::not_supported);
  const auto refused = sluice::listen("pipe:");
  EXPECT_NE(sluice::describe(refused.error(), "pipe:").find("spawn()"), std::string::npos);
}

}  // namespace
}  // namespace sluice_test
