// Promise 10: where the traits say so, handles travel with a message, arrive exactly once, and are closed if the message is
// never received. Where they don't say so, the call answers not_supported. That nothing leaks at either side is looked at after
// each test (Conformance::TearDown).
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "conformance.hpp"
#include "handles.hpp"
#include "watched.hpp"

namespace sluice_test {
namespace {

using sluice::Handle;

class Handles : public Conformance {
 protected:
  Handles() : Conformance(10) {}

  // True where the channel carries none: then a send with one has said so and sent nothing, and the test returns.
  bool answered(Pair& pair) {
    const bool carries = pair.channel.traits().handles;
    if (subject().options.empty()) {
      EXPECT_EQ(carries, traits().handles) << "what the table says";
    }
    if (carries) return false;
    const Handle handle{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)};
    EXPECT_CODE(send_with(pair.channel, sluice::as_bytes("refused"), {&handle, 1}, soon()), Errc::not_supported);
    EXPECT_EQ(pair.channel.statistics().messages_sent, 0U);
    const auto receiving = pair.peer->start("receive size=100");
    send(pair.channel, stream({100}), 0, 1);
    EXPECT_DONE(pair.peer->finish(receiving));
    answer_not_supported();
    return true;
  }

  void send_handles(Channel& channel, const Stream& stream, const std::string& counts, std::uint64_t first,
                    std::uint64_t count) {
    for (std::uint64_t number = first; number < first + count; ++number) {
      const auto handles = make_handles(HandleCounts::of(counts), stream.seed, number);
      // A deadline that passes on a busy machine would leave a tail, and nobody here to move it: the watchdog looks after time.
      ASSERT_OK(send_with(channel, stream.message(number), handles, Deadline::never()));
      for (const auto& handle : handles) EXPECT_GE(::fcntl(static_cast<int>(handle.native()), F_GETFD), 0) << "it stays ours";
    }
  }
  void receive_handles(Channel& channel, const Stream& stream, const std::string& counts, std::uint64_t first,
                       std::uint64_t count) {
    for (std::uint64_t number = first; number < first + count; ++number) {
      const auto message = channel.receive(soon());
      ASSERT_OK(message);
      ASSERT_EQ(stream.wrong(number, message->bytes()), "");
      ASSERT_EQ(wrong_handles(HandleCounts::of(counts), stream.seed, number, message->handles()), "");
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Promise10, Handles, testing::ValuesIn(subjects()), label_of);

// Where the room of a channel can be chosen: so that it goes in pieces, and isn't there at once.
constexpr std::size_t kNarrow = std::size_t{64} << 10;
// Larger than what any of these channels holds; less than 1 MiB where that would take seconds.
constexpr std::size_t kLarge = (std::size_t{1} << 20) + 1;
constexpr double kSeconds = 0.1;

TEST_P(Handles, TravelBothWaysWithTheirMessages) {
  const std::uint64_t count = scaled(100, 20);
  const std::string words = " mixed=3000 handles=mixed count=" + std::to_string(count);
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    if (answered(pair)) return;
    const auto sending = pair.peer->start("send" + words);
    receive_handles(pair.channel, stream({0, 3000}), "mixed", 0, count);
    EXPECT_DONE(pair.peer->finish(sending));
    for (const std::string into : {"", " into=3000"}) {
      const auto receiving = pair.peer->start("receive stream=1" + words + into);
      send_handles(pair.channel, stream({0, 3000}, 1), "mixed", 0, count);
      EXPECT_DONE(pair.peer->finish(receiving));
    }
  }
  note("messages", count);
}

TEST_P(Handles, TravelWithMessagesInPieces) {
  MeetOptions options;
  options.capacity = kNarrow;
  auto pair = meet(PeerDoes::connect, options);
  if (answered(pair)) return;
  const std::size_t large = affordable(kLarge, kSeconds);
  const std::string words = " handles=16 count=2 size=" + std::to_string(large);
  const auto receiving = pair.peer->start("receive" + words);
  send_handles(pair.channel, stream({large}), "16", 0, 2);
  EXPECT_DONE(pair.peer->finish(receiving));
  const auto sending = pair.peer->start("send" + words);
  receive_handles(pair.channel, stream({large}), "16", 0, 2);
  EXPECT_DONE(pair.peer->finish(sending));
}

// The sender can't wait for all of a message, and others finish it: its handles have gone with the first byte, and once.
TEST_P(Handles, GoOnceWithAMessageThatIsAcceptedHalfWay) {
  MeetOptions options;
  options.capacity = kNarrow;
  auto pair = meet(PeerDoes::connect, options);
  if (answered(pair)) return;
  // However slow this build is: more than the channel holds.
  constexpr std::uint64_t kLeast = std::uint64_t{256} << 10;
  const Stream large = stream({std::max(affordable(kLarge, kSeconds), kLeast)});
  {
    const auto handles = make_handles(HandleCounts::of("3"), large.seed, 0);
    ASSERT_OK(send_with(pair.channel, large.message(0), handles, 20ms));
  }
  const auto handles = make_handles(HandleCounts::of("3"), large.seed, 1);
  EXPECT_CODE(send_with(pair.channel, large.message(1), handles, 20ms),
              Errc::timed_out);  // behind the first: nothing of it went
  const auto receiving = pair.peer->start("receive count=2 handles=3 size=" + std::to_string(large.sizes.fixed));
  ASSERT_OK(send_with(pair.channel, large.message(1), handles, Deadline::never()));
  EXPECT_DONE(pair.peer->finish(receiving));
  EXPECT_FAILED(pair.peer->call("receive deadline=now"), Errc::would_block);
}

TEST_P(Handles, AreTheReceiversUntilItsMessageIsReleased) {
  auto pair = meet();
  if (answered(pair)) return;
  Watched watched;
  ASSERT_OK(watched.send(pair.channel, stream({10}).message(0), soon()));
  EXPECT_DONE(pair.peer->call("receive hold=1 size=10 deadline=5000"));
  EXPECT_FALSE(watched.is_closed(0ms));
  EXPECT_DONE(pair.peer->call("release"));
  EXPECT_TRUE(watched.is_closed(patience()));
  // One that was moved out of its message outlives it.
  const auto sending = pair.peer->start("send handles=2 size=10");
  Handle kept;
  {
    auto message = pair.channel.receive(soon());
    ASSERT_OK(message);
    ASSERT_EQ(message->handles().size(), 2U);
    kept = std::move(message->handles()[1]);
  }
  EXPECT_DONE(pair.peer->finish(sending));
  EXPECT_GE(::fcntl(static_cast<int>(kept.native()), F_GETFD), 0);
}

TEST_P(Handles, OfAMessageThatIsNeverReceivedAreClosed) {
  for (const std::string end : {"destroy", "close deadline=5000", "advance", "kill", "exit"}) {
    SCOPED_TRACE(end);
    const bool is_about_processes = end == "kill" || end == "exit";
    if (is_about_processes && stays_in_one_process()) continue;
    auto pair = meet();
    if (answered(pair)) return;
    Watched in_the_channel;
    ASSERT_OK(in_the_channel.send(pair.channel, sluice::as_bytes("not received"), soon()));
    EXPECT_FALSE(in_the_channel.is_closed(0ms));
    if (end == "kill") {
      pair.peer->kill();
    } else if (end == "exit") {
      (void)pair.peer->start("exit");
    } else if (end == "advance") {
      EXPECT_DONE(pair.peer->call("advance"));  // reads it ahead
      EXPECT_FALSE(in_the_channel.is_closed(0ms));
      EXPECT_DONE(pair.peer->call("destroy"));
    } else {
      const auto ending = pair.peer->start(end);
      if (end.starts_with("close")) (void)pair.channel.receive(soon());  // answers it
      EXPECT_DONE(pair.peer->finish(ending));
    }
    EXPECT_TRUE(in_the_channel.is_closed(patience()));
  }
}

TEST_P(Handles, OfWholeMessagesArriveAfterTheSendersDeath) {
  auto pair = meet();
  if (answered(pair)) return;
  if (stays_in_one_process()) return answer_one_process();
  const Reply sent = pair.peer->call("send handles=3 size=100 count=" + std::to_string(few()));
  ASSERT_DONE(sent);
  pair.peer->kill();
  ASSERT_TRUE(wait_for_end(pair.peer->process().pidfd(), patience()));
  receive_handles(pair.channel, stream({100}), "3", 0, few());
  EXPECT_CODE(pair.channel.receive(soon()), Errc::peer_died);
}

TEST_P(Handles, BeyondWhatThePeerAcceptsAreRefusedAndNothingIsSent) {
  for (const std::size_t limit : {std::size_t{0}, std::size_t{2}, std::size_t{16}, std::size_t{253}}) {
    MeetOptions options;
    if (limit != 16) options.max_handles = limit;  // which is the default
    auto pair = meet(limit == 2 ? PeerDoes::listen : PeerDoes::connect, options);
    if (answered(pair)) return;
    std::vector<Handle> handles;
    for (std::size_t at = 0; at <= limit; ++at) handles.emplace_back(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
    const auto refused = send_with(pair.channel, sluice::as_bytes("refused"), handles, soon());
    ASSERT_CODE(refused, Errc::too_large);
    EXPECT_EQ(refused.error().step, sluice::Step::attach);
    EXPECT_EQ(refused.error().first, static_cast<std::int64_t>(limit) + 1);
    EXPECT_EQ(refused.error().second, static_cast<std::int64_t>(limit));
    const auto receiving = pair.peer->start("receive size=50 handles=" + std::to_string(limit));
    send_handles(pair.channel, stream({50}), std::to_string(limit), 0, 1);
    EXPECT_DONE(pair.peer->finish(receiving));
  }
}

TEST_P(Handles, ThatAreNotOpenAreMisuseAndNothingIsSent) {
  auto pair = meet();
  if (answered(pair)) return;
  std::array<Handle, 2> handles{Handle{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)}, Handle{}};
  EXPECT_CODE(send_with(pair.channel, sluice::as_bytes("refused"), handles, soon()), Errc::misuse);
  handles[1] = Handle{1'000'000};  // which nobody has opened
  EXPECT_CODE(send_with(pair.channel, sluice::as_bytes("refused"), handles, soon()), Errc::misuse);
  EXPECT_EQ(handles[1].release(), 1'000'000);
  const auto receiving = pair.peer->start("receive size=50 handles=3");
  send_handles(pair.channel, stream({50}), "3", 0, 1);
  EXPECT_DONE(pair.peer->finish(receiving));
}

// Who only sends hears its peer all the same, and reads ahead for it: but not all the handles that the peer likes.
TEST_P(Handles, AreReadAheadInABoundedNumber) {
  auto pair = meet();
  if (answered(pair)) return;
  const auto before = descriptors_of(getpid()).size();
  constexpr std::uint64_t kCount = 40;
  EXPECT_DONE(pair.peer->call("send size=10 handles=16 count=" + std::to_string(kCount)));
  constexpr std::size_t kAhead = 64 + 16;  // core/session.hpp, and the message with which that was reached
  for (int look = 0; look < 50; ++look) pair.channel.advance();
  const auto open = descriptors_of(getpid()).size();
  if (!stays_in_one_process()) {  // where each of them is open in this process anyway, as long as it is on its way
    EXPECT_GE(open, before + 16);
    EXPECT_LE(open, before + kAhead);
  }
  receive_handles(pair.channel, stream({10}), "16", 0, kCount);
}

// Handles for which the receiver has no descriptors left are lost, and so the channel ends: behind what came before, with a
// clear word, and with nothing left open.
TEST_P(Handles, ThatTheReceiverCannotOpenEndTheChannelClearly) {
  auto pair = meet();
  if (answered(pair)) return;
  if (stays_in_one_process()) return answer_one_process();
  EXPECT_FAILED(pair.peer->call("receive deadline=10"), Errc::timed_out);  // it has what it needs to wait
  const pid_t victim = pair.peer->pid();
  const auto before = descriptors_of(victim);
  rlimit limit{};
  ASSERT_EQ(::prlimit(victim, RLIMIT_NOFILE, nullptr, &limit), 0);
  const rlimit tight{static_cast<rlim_t>(before.rbegin()->first) + 3, limit.rlim_max};
  ASSERT_EQ(::prlimit(victim, RLIMIT_NOFILE, &tight, nullptr), 0);
  send_handles(pair.channel, stream({100}), "0", 0, 2);
  send_handles(pair.channel, stream({100}), "16", 2, 1);
  EXPECT_DONE(pair.peer->call("receive size=100 count=2 deadline=5000"));
  EXPECT_FAILED(pair.peer->call("receive deadline=5000"), Errc::limit_reached);
  EXPECT_EQ(pair.peer->call("ended").text("code"), "limit_reached");
  EXPECT_FAILED(pair.peer->call("receive deadline=now"), Errc::limit_reached);
  EXPECT_FAILED(pair.peer->call("send size=1 deadline=now"), Errc::limit_reached);
  ASSERT_EQ(::prlimit(victim, RLIMIT_NOFILE, &limit, nullptr), 0);
  EXPECT_EQ(descriptors_of(victim), before);
  EXPECT_DONE(pair.peer->call("destroy"));
  EXPECT_CODE(pair.channel.receive(soon()), Errc::peer_died);
}

}  // namespace
}  // namespace sluice_test
