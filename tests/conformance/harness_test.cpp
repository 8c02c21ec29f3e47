// The harness can fail: what it has to report it does report. Run over the first subject that has a process of its own for the
// other end, else the first of all.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "asleep.hpp"
#include "conformance.hpp"
#include "path.hpp"
#include "results.hpp"
#include "system_calls.hpp"

namespace sluice_test {
namespace {

class HarnessTest : public Conformance {
 protected:
  HarnessTest() : Conformance(0) {}
};

std::vector<Subject> one_subject() {
  for (const auto& subject : subjects())
    if (subject.has_names && !row_of(subject).traits.one_process) return {subject};
  return {subjects().begin(), subjects().begin() + (subjects().empty() ? 0 : 1)};
}
INSTANTIATE_TEST_SUITE_P(Harness, HarnessTest, testing::ValuesIn(one_subject()), label_of);

TEST_P(HarnessTest, ReportsOneCorruptByte) {
  auto pair = meet();
  const auto sending = pair.peer->start("send count=4 size=5000 corrupt=2");
  std::string wrong;
  for (std::uint64_t number = 0; number < 4; ++number) {
    const auto message = pair.channel.receive(soon());
    ASSERT_OK(message);
    wrong += stream({5000}).wrong(number, message->bytes());
  }
  EXPECT_EQ(wrong, "message 2 differs at byte 4992");  // within the last eight
  EXPECT_DONE(pair.peer->finish(sending));
  // And by the peer.
  auto bytes = stream({5000}).message(0);
  bytes[1234] ^= std::byte{1};
  ASSERT_OK(pair.channel.send(bytes, soon()));
  EXPECT_EQ(pair.peer->call("receive size=5000").code, "wrong_content");
}

TEST_P(HarnessTest, ReportsADroppedMessage) {
  auto pair = meet();
  EXPECT_DONE(pair.peer->call("send count=4 size=100 drop=2"));
  receive(pair.channel, stream({100}), 0, 2);
  const auto message = pair.channel.receive(soon());
  ASSERT_OK(message);
  EXPECT_EQ(stream({100}).wrong(2, message->bytes()), "message 2 differs at byte 0");
  // One that is missing at the end is a message that doesn't come.
  EXPECT_CODE(pair.channel.receive(50ms), Errc::timed_out);
  ASSERT_OK(stream({100}).send(pair.channel, 1, soon()));
  EXPECT_EQ(pair.peer->call("receive size=100").code, "wrong_content");
  ASSERT_OK(stream({99}).send(pair.channel, 1, soon()));
  EXPECT_EQ(pair.peer->call("receive size=100").code, "wrong_size");
}

TEST_P(HarnessTest, ReportsALeakedDescriptorOfThePeer) {
  static std::vector<std::string> found;
  auto& peer = start_peer();
  if (!peer.is_own_process()) return;
  collect_leftovers_ = &found;
  // Opened without close-on-exec: a program that is executed sees it, too.
  const Reply leaked = peer.call("leak-descriptor");
  EXPECT_DONE(leaked);
  const Reply listed = peer.call("exec-and-list");
  EXPECT_NE(listed.text("descriptors").find(";" + leaked.text("descriptor") + ":/dev/null;"), std::string::npos) << listed;
  Conformance::TearDown();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].find("/dev/null"), std::string::npos) << found[0];
  collect_leftovers_ = nullptr;
}

TEST_P(HarnessTest, ReportsWhatThisProcessLeavesBehind) {
  EXPECT_TRUE(scratch().leftovers().empty());
  const int leaked = open("/dev/null", O_RDONLY | O_CLOEXEC);
  std::ofstream(scratch().folder() + "/left") << "behind";
  const std::string object = "/dev/shm/sluice-" + scratch().unique_name();
  std::ofstream(object) << "behind";
  EXPECT_EQ(scratch().leftovers().size(), 3U);
  close(leaked);
  unlink(object.c_str());
  unlink((scratch().folder() + "/left").c_str());
}

TEST_P(HarnessTest, ReportsAProcessThatWakesUp) {
  auto& peer = start_peer();
  if (!peer.is_own_process()) return;
  EXPECT_EQ(peer.call("ended").code, "no_such_channel");
  EXPECT_EQ(under_thread_sanitizer() ? "" : what_is_awake({peer.pid()}), "");
  EXPECT_DONE(peer.call("be-busy"));
  EXPECT_NE(what_wakes_up({peer.pid()}), "");
}

TEST_P(HarnessTest, ReportsAWaitThatHasATimeOut) {
  auto& peer = start_peer();
  if (!peer.is_own_process() || under_thread_sanitizer()) return;
  EXPECT_EQ(what_is_awake({peer.pid()}), "");
  EXPECT_DONE(peer.call("wait-with-limit"));
  // It doesn't run, so who only watches sees nothing: it is the call that tells.
  constexpr auto kLookedFor = 300ms;
  EXPECT_NE(what_is_awake({peer.pid()}, kLookedFor).find("has a time-out"), std::string::npos);
  EXPECT_EQ(what_wakes_up({peer.pid()}), "");
}

TEST_P(HarnessTest, ReportsMemoryThatGrows) {
  auto& peer = start_peer();
  if (!peer.is_own_process()) return;
  constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
  const auto before = resident_bytes(peer.pid());
  EXPECT_GT(before, 0U);
  EXPECT_DONE(peer.call("hold-memory bytes=" + std::to_string(64 * kMebibyte)));
  EXPECT_GE(resident_bytes(peer.pid()), before + 63 * kMebibyte);  // the kernel counts in batches
  peer.kill();
  ASSERT_TRUE(wait_for_end(peer.process().pidfd(), patience()));
  EXPECT_THROW((void)resident_bytes(peer.pid()), std::runtime_error);
}

// A broken twin of the proof of paths: payload that goes through a pipe besides the mechanism.
TEST_P(HarnessTest, ReportsPayloadThatGoesElsewhere) {
  if (stays_in_one_process() || under_sanitizer()) return;
  if (const auto why = why_no_trace(); !why.empty()) GTEST_SKIP() << why;
  constexpr std::uint64_t kPayload = 200'000;
  for (const bool strays : {false, true}) {
    const std::string log = scratch().folder() + "/trace.lock";  // the name of a file that may stay
    Peer::Start start;
    start.below = below_trace(log);
    auto& peer = start_peer(start);
    auto shape = sluice::Shape::stream;
    {
      auto pair = meet(peer, PeerDoes::connect);
      shape = pair.channel.traits().shape;
      const auto receiving = peer.start("receive size=" + std::to_string(kPayload));
      send(pair.channel, stream({kPayload}), 0, 1);
      EXPECT_DONE(peer.finish(receiving));
      const auto sending = peer.start("send size=" + std::to_string(kPayload));
      receive(pair.channel, stream({kPayload}), 0, 1);
      EXPECT_DONE(peer.finish(sending));
      if (strays) {
        EXPECT_DONE(peer.call("copy-through-pipe bytes=1048576"));
      }
    }
    ASSERT_EQ(peer.end(), 0);
    const auto faults = faults_of_path(read_trace(log, Process::kControl), shape, kPayload);
    std::string all;
    for (const auto& fault : faults) all += fault + "\n";
    EXPECT_EQ(faults.size(), strays ? 1U : 0U) << all;
    EXPECT_EQ(all.starts_with("elsewhere:"), strays) << all;
    EXPECT_EQ(all.find("write on pipe: 1048576 bytes") != all.npos, strays) << all;
    EXPECT_EQ(all.find("read on pipe: 1048576 bytes") != all.npos, strays) << all;
  }
}

TEST_P(HarnessTest, ReportsATraceThatShowsNothing) {
  constexpr std::uint64_t kPayload = 200'000;
  const std::string log = scratch().folder() + "/trace.lock";
  for (const char* text : {"", "42 something else\n", "42 sendmsg(3<socket:[1]>, 0x7f) = -1 EPIPE (Broken pipe)\n"}) {
    std::ofstream(log) << text;
    const auto moved = read_trace(log, Process::kControl);
    for (const auto shape : {sluice::Shape::stream, sluice::Shape::packets, sluice::Shape::region})
      EXPECT_FALSE(faults_of_path(moved, shape, kPayload).empty()) << text;
  }
}

TEST_P(HarnessTest, ReportsAPeerThatIsGone) {
  auto& peer = start_peer();
  if (!peer.is_own_process()) return;
  const auto waiting = peer.start("exit code=3");
  EXPECT_EQ(peer.finish(waiting).code, "peer_gone");
  EXPECT_EQ(peer.call("ended").code, "peer_gone");
}

TEST_P(HarnessTest, KillsAProgramThatHangs) {
  // A program that tells its watchdog of a test and then sleeps for ever.
  Process hanging({{program_folder() + "/sluice-test-peer", "hang", "-", "0"}, {}, -1});
  const auto status = hanging.wait(patience() * 3);
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFSIGNALED(*status) && WTERMSIG(*status) == SIGKILL) << *status;
}

TEST_P(HarnessTest, ReadsItsOwnResultsBack) {
  const TestResult written{6, "a-b", "Suite.Test", "skipped", 1.5, "why\tnot\n=1"};
  TestResult read;
  ASSERT_TRUE(read_line(to_line(written), read));
  EXPECT_EQ(read.promise, 6);
  EXPECT_EQ(read.subject, "a-b");
  EXPECT_EQ(read.outcome, "skipped");
  EXPECT_EQ(read.notes, "why not =1");
  EXPECT_FALSE(read_line("nonsense", read));
}

}  // namespace
}  // namespace sluice_test
