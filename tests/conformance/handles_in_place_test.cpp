// Promise 10 where messages are written in place, and where several go with one call: each arrives with its own handles, whole,
// in order, exactly once. Where a channel carries none, the call answers not_supported. That nothing leaks at either side is
// looked at after each test (Conformance::TearDown).
#include <algorithm>
#include <string>
#include <vector>

#include "batch.hpp"
#include "conformance.hpp"
#include "handles.hpp"
#include "watched.hpp"
#include "while_moving.hpp"

namespace sluice_test {
namespace {

using sluice::Handle;

class WithHandles : public Conformance {
 protected:
  WithHandles() : Conformance(10) {}

  static std::string wrong(const Stream& stream, const HandleCounts& counts, std::uint64_t number,
                           const sluice::Message& message) {
    if (auto bytes = stream.wrong(number, message.bytes()); !bytes.empty()) return bytes;
    return wrong_handles(counts, stream.seed, number, message.handles());
  }
  void receive_handles(Channel& channel, const Stream& stream, const std::string& counts, std::uint64_t count) {
    for (std::uint64_t number = 0; number < count; ++number) {
      const auto message = channel.receive(soon());
      ASSERT_OK(message) << "message " << number;
      ASSERT_EQ(wrong(stream, HandleCounts::of(counts), number, *message), "");
    }
  }
  // What a refusal has left: the channel goes on, and nothing of what was refused is on it.
  void expect_to_go_on(Pair& pair, std::uint64_t number) {
    const auto receiving = pair.peer->start("receive size=100 handles=0 first=" + std::to_string(number));
    send(pair.channel, stream({100}), number, 1);
    EXPECT_DONE(pair.peer->finish(receiving));
  }
};

// Where the room of a channel can be chosen: so that the ring goes round and round, and the large go in pieces.
constexpr std::size_t kNarrow = std::size_t{64} << 10;
MeetOptions narrow() {
  MeetOptions options;
  options.capacity = kNarrow;
  return options;
}

// ---- in place ------------------------------------------------------------------------------------------------------------

class LoansWithHandles : public WithHandles {
 protected:
  // True where the channel carries none: then attaching has said so, the loan goes without, and the test returns.
  bool answered(Pair& pair) {
    if (pair.channel.traits().handles) return false;
    auto loan = pair.channel.loan(100, soon());
    EXPECT_OK(loan);
    if (!loan) return true;
    const Handle handle{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)};
    EXPECT_CODE(loan->attach({&handle, 1}), Errc::not_supported);
    EXPECT_EQ(pair.channel.statistics().messages_sent, 0U);
    std::ranges::copy(stream({100}).message(0), loan->bytes().begin());
    const auto receiving = pair.peer->start("receive size=100");
    EXPECT_OK(loan->commit());
    EXPECT_DONE(finish_while_moving(pair, receiving));
    answer_not_supported();
    return true;
  }

  // Ours are closed before the commit: attaching has duplicated them.
  static sluice::Result<void> send_in_place(Channel& channel, const Stream& stream, const std::string& counts,
                                            std::uint64_t number, Deadline deadline) {
    const auto bytes = stream.message(number);
    auto loan = channel.loan(bytes.size(), deadline);
    if (!loan) return loan.error();
    std::ranges::copy(bytes, loan->bytes().begin());
    if (auto attached = loan->attach(make_handles(HandleCounts::of(counts), stream.seed, number)); !attached) return attached;
    return loan->commit();
  }
};
INSTANTIATE_TEST_SUITE_P(Promise10, LoansWithHandles, testing::ValuesIn(subjects()), label_of);

// Much more than a ring of that size holds: each place of it is lent with handles, and without (mixed).
TEST_P(LoansWithHandles, TravelBothWaysThroughWhatHoldsLittle) {
  constexpr std::uint64_t kLimit = 6000;
  const std::uint64_t count = scaled(120, 40);
  const std::string words = " handles=mixed count=" + std::to_string(count) + " mixed=" + std::to_string(kLimit);
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what, narrow());
    if (answered(pair)) return;
    for (const std::string into : {"", " into=6000"}) {
      const auto receiving = pair.peer->start("receive stream=1" + words + into, "receive");
      const auto sending = pair.peer->start("send loan=1 stream=2" + words, "send");
      const auto flushing = pair.peer->start("flush deadline=10000", "send");  // moves a tail
      std::thread sender([&] {
        for (std::uint64_t number = 0; number < count; ++number)
          ASSERT_OK(send_in_place(pair.channel, stream({0, kLimit}, 1), "mixed", number, soon()));
      });
      receive_handles(pair.channel, stream({0, kLimit}, 2), "mixed", count);
      sender.join();
      ASSERT_FALSE(HasFailure());
      EXPECT_DONE(finish_while_moving(pair, receiving));
      EXPECT_DONE(pair.peer->finish(sending));
      EXPECT_DONE(finish_while_answering(pair, flushing));
    }
    EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::would_block);
    EXPECT_FAILED(pair.peer->call("receive deadline=now"), Errc::would_block);
  }
  note("messages", count);
}

// The commit never waits: what the channel has no room for is left behind, and handles go with the first byte, once.
TEST_P(LoansWithHandles, ALargeOneLeavesATailThatArrivesWithItsHandles) {
  // More than any of these channels holds; where that takes seconds, than those that are slow.
  constexpr std::uint64_t kLeast = std::uint64_t{256} << 10;
  const std::size_t large = std::max(affordable((std::uint64_t{1} << 20) + 1, 0.1), kLeast);
  const std::string words = " handles=16 count=2 size=" + std::to_string(large);
  auto pair = meet(PeerDoes::connect, narrow());
  if (answered(pair)) return;
  ASSERT_OK(send_in_place(pair.channel, stream({large}), "16", 0, soon()));
  EXPECT_CODE(pair.channel.loan(1, Deadline::now()), Errc::would_block) << "a tail is left";
  EXPECT_CODE(pair.channel.loan(1, 20ms), Errc::timed_out);
  const auto receiving = pair.peer->start("receive" + words);
  ASSERT_OK(send_in_place(pair.channel, stream({large}), "16", 1, soon()));
  EXPECT_DONE(finish_while_moving(pair, receiving));
  EXPECT_FAILED(pair.peer->call("receive deadline=now"), Errc::would_block);

  const auto sending = pair.peer->start("send loan=1" + words, "send");
  const auto flushing = pair.peer->start("flush deadline=10000", "send");
  receive_handles(pair.channel, stream({large}), "16", 2);
  EXPECT_DONE(pair.peer->finish(sending));
  EXPECT_DONE(finish_while_answering(pair, flushing));
  EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::would_block);
}

TEST_P(LoansWithHandles, ASecondAttachReplacesTheFirstAndAFailedOneNothing) {
  auto pair = meet();
  if (answered(pair)) return;
  const Stream small = stream({100});
  auto loan = pair.channel.loan(100, soon());
  ASSERT_OK(loan);
  std::ranges::copy(small.message(0), loan->bytes().begin());
  Watched replaced;
  ASSERT_OK(replaced.attach(*loan));
  EXPECT_FALSE(replaced.is_closed(0ms));
  ASSERT_OK(loan->attach(make_handles(HandleCounts::of("3"), small.seed, 0)));
  EXPECT_TRUE(replaced.is_closed(0ms));
  EXPECT_CODE(loan->attach(make_handles(HandleCounts::of("17"), small.seed, 0)), Errc::too_large);
  const Handle closed;
  EXPECT_CODE(loan->attach({&closed, 1}), Errc::misuse);
  const auto receiving = pair.peer->start("receive size=100 handles=3");
  EXPECT_OK(loan->commit());
  EXPECT_DONE(finish_while_moving(pair, receiving));
}

TEST_P(LoansWithHandles, AreClosedWithALoanThatIsNotSent) {
  auto pair = meet();
  if (answered(pair)) return;
  Watched dropped;
  {
    auto loan = pair.channel.loan(100, soon());
    ASSERT_OK(loan);
    ASSERT_OK(dropped.attach(*loan));
    EXPECT_FALSE(dropped.is_closed(0ms));
  }
  EXPECT_TRUE(dropped.is_closed(0ms));
  expect_to_go_on(pair, 0);

  // Neither side's is sent any more once the channel is closed.
  Watched late;
  auto loan = pair.channel.loan(100, soon());
  ASSERT_OK(loan);
  ASSERT_OK(late.attach(*loan));
  ASSERT_DONE(pair.peer->call("loan size=100 handles=2"));
  const auto ending = pair.peer->start("receive deadline=10000", "receive");
  EXPECT_OK(pair.channel.close(soon()));
  EXPECT_FAILED(pair.peer->finish(ending), Errc::closed);
  EXPECT_FAILED(pair.peer->call("commit"), Errc::closed);
  EXPECT_CODE(loan->commit(), Errc::closed);
  EXPECT_TRUE(late.is_closed(0ms));
}

// ---- several with one call -----------------------------------------------------------------------------------------------

class ManyWithHandles : public WithHandles {
 protected:
  // Messages that hold their handles themselves.
  struct Prepared {
    Prepared(const Stream& stream, std::span<const std::size_t> handles) {
      for (std::size_t at = 0; at < handles.size(); ++at) {
        bytes.push_back(stream.message(at));
        given.push_back(make_handles({.mixed = false, .fixed = handles[at]}, stream.seed, at));
      }
      for (const auto& content : bytes) parts.emplace_back(content);
      for (std::size_t at = 0; at < handles.size(); ++at) outgoing.push_back({.parts = {&parts[at], 1}, .handles = given[at]});
    }
    std::vector<std::vector<std::byte>> bytes;
    std::vector<std::vector<Handle>> given;
    std::vector<std::span<const std::byte>> parts;
    std::vector<sluice::Outgoing> outgoing;
  };

  // True where the channel carries none: then a call has ended before the message that has one, and the test returns.
  bool answered(Pair& pair) {
    if (pair.channel.traits().handles) return false;
    const Prepared batch(stream({100}), std::vector<std::size_t>{0, 1, 0});
    const auto receiving = pair.peer->start("receive size=100");
    const auto sent = pair.channel.send_many(batch.outgoing, soon());
    EXPECT_OK(sent);
    if (sent) {
      EXPECT_EQ(*sent, 1U);
    }
    EXPECT_DONE(finish_while_moving(pair, receiving));
    EXPECT_CODE(pair.channel.send_many(std::span(batch.outgoing).subspan(1), soon()), Errc::not_supported);
    EXPECT_EQ(pair.channel.statistics().messages_sent, 1U);
    expect_to_go_on(pair, 1);
    answer_not_supported();
    return true;
  }

  void send_batches(Channel& channel, const Stream& stream, std::uint64_t count, std::uint64_t many) {
    for (std::uint64_t sent = 0; sent < count;) {
      const auto accepted =
          send_batch(channel, stream.seed, stream.sizes, sent, std::min(many, count - sent), soon(), HandleCounts::of("mixed"));
      ASSERT_OK(accepted);
      ASSERT_GT(*accepted, 0U);
      sent += *accepted;
    }
  }
  void receive_batches(Channel& channel, const Stream& stream, std::uint64_t count, std::size_t many) {
    std::vector<sluice::Message> messages(many);
    for (std::uint64_t received = 0; received < count;) {
      messages.resize(std::min<std::size_t>(many, count - received));  // none is held beyond the next call
      const auto some = channel.receive_many(messages, soon());
      ASSERT_OK(some);
      for (const auto& message : std::span(messages).first(*some))
        ASSERT_EQ(wrong(stream, HandleCounts::of("mixed"), received++, message), "");
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Promise10, ManyWithHandles, testing::ValuesIn(subjects()), label_of);

// Small ones, of which one call takes many; and large ones among them, of which a call leaves the last one half-way.
TEST_P(ManyWithHandles, ArriveWithTheirMessagesBothWaysAtOnce) {
  for (const std::uint64_t limit : {std::uint64_t{500}, std::uint64_t{300'000}}) {
    auto pair = meet(limit == 500 ? PeerDoes::connect : PeerDoes::listen, narrow());
    if (answered(pair)) return;
    constexpr std::uint64_t kMean = 26'000;  // of the large ones
    const std::uint64_t some = affordable(scaled(60, 30) * kMean, 0.3) / kMean;
    const std::uint64_t count = limit == 500 ? scaled(300, 60) : some;
    const std::string words = " many=20 handles=mixed count=" + std::to_string(count) + " mixed=" + std::to_string(limit);
    const auto receiving = pair.peer->start("receive-many stream=1" + words, "receive");
    const auto sending = pair.peer->start("send-many stream=2" + words, "send");
    const auto flushing = pair.peer->start("flush deadline=10000", "send");  // moves a tail
    std::thread sender([&] { send_batches(pair.channel, stream({0, limit}, 1), count, 15); });
    receive_batches(pair.channel, stream({0, limit}, 2), count, 10);
    sender.join();
    ASSERT_FALSE(HasFailure());
    EXPECT_DONE(finish_while_moving(pair, receiving));
    EXPECT_DONE(pair.peer->finish(sending));
    EXPECT_DONE(finish_while_answering(pair, flushing));
    EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::would_block);
    EXPECT_FAILED(pair.peer->call("receive deadline=now"), Errc::would_block);
    note("messages", count);
  }
}

TEST_P(ManyWithHandles, ACallEndsBeforeTheMessageThatHasTooMany) {
  auto pair = meet();
  if (answered(pair)) return;
  const Prepared batch(stream({50}), std::vector<std::size_t>{2, 2, 17, 2});
  const auto receiving = pair.peer->start("receive size=50 handles=2 count=2");
  const auto sent = pair.channel.send_many(batch.outgoing, soon());
  ASSERT_OK(sent);
  EXPECT_EQ(*sent, 2U);
  EXPECT_DONE(finish_while_moving(pair, receiving));
  EXPECT_CODE(pair.channel.send_many(std::span(batch.outgoing).subspan(2), soon()), Errc::too_large);
  expect_to_go_on(pair, 2);
}

// What one call has received is the caller's until the next one; then it is closed with its messages.
TEST_P(ManyWithHandles, AreReleasedByTheNextCall) {
  auto pair = meet();
  if (answered(pair)) return;
  ASSERT_DONE(pair.peer->call("send-many many=2 count=2 size=50 handles=2"));
  std::vector<sluice::Message> messages(2);
  std::size_t received = 0;
  while (received < 2) {  // the first call may find the first one alone
    std::vector<sluice::Message> some(1);
    ASSERT_OK(pair.channel.receive_many(some, soon()));
    EXPECT_EQ(wrong(stream({50}), HandleCounts::of("2"), received, some[0]), "");
    messages[received++] = std::move(some[0]);
  }
  const int first = static_cast<int>(messages[0].handles()[0].native());
  const Handle kept = std::move(messages[1].handles()[1]);
  const int kept_number = static_cast<int>(kept.native());
  EXPECT_GE(::fcntl(first, F_GETFD), 0);
  EXPECT_CODE(pair.channel.receive_many(messages, Deadline::now()), Errc::would_block);
  EXPECT_LT(::fcntl(first, F_GETFD), 0) << "released by a call that has found nothing, too";
  EXPECT_GE(::fcntl(kept_number, F_GETFD), 0) << "one that was moved out outlives its message";
}

}  // namespace
}  // namespace sluice_test
