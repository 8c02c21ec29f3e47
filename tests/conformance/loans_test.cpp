// Promises 1 and 2 for messages that are written in place, and for several with one call: whole, in order, exactly once.
#include <algorithm>
#include <thread>

#include "batch.hpp"
#include "conformance.hpp"
#include "while_moving.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(Loans, 1);
SLUICE_PROMISE(ManyAtATime, 2);

constexpr std::size_t kMebibyte = std::size_t{1} << 20;

sluice::Result<void> send_by_loan(Channel& channel, const Stream& stream, std::uint64_t number, Deadline deadline) {
  const auto bytes = stream.message(number);
  auto loan = channel.loan(bytes.size(), deadline);
  if (!loan) return loan.error();
  std::ranges::copy(bytes, loan->bytes().begin());
  return loan->commit();
}

TEST_P(Loans, ArriveInEverySize) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    const auto& traits = pair.channel.traits();
    std::vector<std::size_t> sizes{0, 1, 7, 8, 64, 1000, 65'528, 65'529, 100'000, kMebibyte};
    for (const std::size_t near : {traits.packet_size, traits.capacity / 2})
      for (const std::size_t less : {0U, 11U, 12U, 263U, 264U, 265U})
        if (near > less) sizes.push_back(near - less);
    std::uint64_t number = 0;
    for (const std::size_t size : sizes) {
      if (size > affordable(8 * kMebibyte, 0.5)) continue;
      const std::string words = " size=" + std::to_string(size) + " first=" + std::to_string(number);
      const auto receiving = pair.peer->start("receive" + words);
      ASSERT_OK(send_by_loan(pair.channel, stream({size}), number, soon()));
      ASSERT_DONE(finish_while_moving(pair, receiving)) << size;
      const auto sending = pair.peer->start("send loan=1" + words);
      const auto flushing = pair.peer->start("flush deadline=10000");
      receive(pair.channel, stream({size}), number, 1);
      ASSERT_DONE(pair.peer->finish(sending));
      ASSERT_DONE(finish_while_answering(pair, flushing));
      ASSERT_FALSE(HasFailure()) << size;
      ++number;
    }
    note("sizes", number);
  }
}

TEST_P(Loans, ManyBothWaysAtOnceAmongSends) {
  auto pair = meet();
  constexpr std::uint64_t kLimit = 3000;
  const std::uint64_t count = affordable(scaled(10'000, 100) * kLimit, 2) / kLimit;
  note("messages_each_way", count);
  const std::string words = " count=" + std::to_string(count) + " mixed=" + std::to_string(kLimit);
  const auto receiving = pair.peer->start("receive stream=1" + words, "receive");
  const auto sending = pair.peer->start("send loan=1 stream=2" + words, "send");
  const auto flushing = pair.peer->start("flush deadline=10000", "send");
  std::thread sender([&] {
    const Stream ours = stream({0, kLimit}, 1);
    for (std::uint64_t number = 0; number < count; ++number) {
      if (number % 5 == 0) (void)pair.channel.loan(kLimit, soon());  // dropped
      const bool by_loan = number % 2 == 0;
      ASSERT_OK(by_loan ? send_by_loan(pair.channel, ours, number, soon()) : ours.send(pair.channel, number, soon()));
    }
  });
  receive(pair.channel, stream({0, kLimit}, 2), 0, count);
  sender.join();
  EXPECT_DONE(finish_while_moving(pair, receiving));
  EXPECT_DONE(pair.peer->finish(sending));
  EXPECT_DONE(finish_while_answering(pair, flushing));
  EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::would_block);
  EXPECT_FAILED(pair.peer->call("receive deadline=now"), Errc::would_block);
}

// Neither side's flush or close waits for what the other has not committed.
TEST_P(Loans, HoldNobodyUp) {
  for (const std::size_t size : {std::size_t{64}, affordable(kMebibyte, 0.2)}) {
    auto pair = meet();
    const std::string words = " size=" + std::to_string(size);
    ASSERT_DONE(pair.peer->call("loan" + words));
    const auto receiving = pair.peer->start("receive size=100 count=4 deadline=10000", "receive");
    send(pair.channel, stream({100}), 0, 3);
    EXPECT_OK(pair.channel.flush(soon()));
    send(pair.channel, stream({100}), 3, 1);
    EXPECT_DONE(pair.peer->finish(receiving));
    ASSERT_DONE(pair.peer->call("commit"));
    const auto moving = pair.peer->start("flush deadline=10000");
    receive(pair.channel, stream({size}), 0, 1);
    EXPECT_DONE(finish_while_answering(pair, moving));

    ASSERT_DONE(pair.peer->call("loan" + words));
    const auto ending = pair.peer->start("receive deadline=10000", "receive");
    EXPECT_OK(pair.channel.close(soon()));
    EXPECT_FAILED(pair.peer->finish(ending), Errc::closed);
    EXPECT_FAILED(pair.peer->call("commit"), Errc::closed);
  }
}

TEST_P(Loans, ThatAreDroppedAreNotSentAndACloseGoesBehindThem) {
  auto pair = meet();
  EXPECT_DONE(pair.peer->call("send size=50"));
  EXPECT_DONE(pair.peer->call("loan size=2000"));
  EXPECT_FAILED(pair.peer->call("send size=50"), Errc::misuse);
  EXPECT_DONE(pair.peer->call("drop-loan"));
  EXPECT_DONE(pair.peer->call("send size=50 first=1"));
  EXPECT_DONE(pair.peer->call("loan size=2000"));
  const auto closing = pair.peer->start("close deadline=10000");
  receive(pair.channel, stream({50}), 0, 2);
  EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
  EXPECT_DONE(pair.peer->finish(closing));
  EXPECT_FAILED(pair.peer->call("commit"), Errc::closed);
}

// What nobody wrote into a loan are zeros, or what this channel has carried before.
TEST_P(Loans, ShowNothingButZerosAndOlderBytesOfTheChannel) {
  auto pair = meet();
  const std::vector<std::byte> secret(40'000, std::byte{0xEE});
  for (const std::size_t size : {100U, 1000U, 9000U, 30'000U}) {
    for (int round = 0; round < 5; ++round) {
      {
        const auto left_on_the_heap =
            std::vector<std::byte>(secret.begin(), secret.begin() + static_cast<std::ptrdiff_t>(size));
      }
      auto loan = pair.channel.loan(size, soon());
      ASSERT_OK(loan);
      const auto bytes = loan->bytes();
      const auto foreign = std::ranges::search_n(bytes, 8, std::byte{0xEE});
      EXPECT_TRUE(foreign.empty()) << "at " << foreign.begin() - bytes.begin() << " of " << size;
      if (round % 2 == 0) continue;  // dropped, as it is
      const auto receiving = pair.peer->start("receive sizes=1");
      std::ranges::copy(stream({size}).message(0), bytes.begin());
      EXPECT_OK(loan->commit());
      EXPECT_DONE(finish_while_moving(pair, receiving));
    }
  }
}

TEST_P(ManyAtATime, ArriveWholeAndInOrderBothWays) {
  auto pair = meet();
  constexpr std::uint64_t kLimit = 2000;
  const std::uint64_t count = affordable(scaled(20'000, 200) * kLimit, 2) / kLimit;
  note("messages_each_way", count);
  const std::string words = " many=40 count=" + std::to_string(count) + " mixed=" + std::to_string(kLimit);
  const auto receiving = pair.peer->start("receive-many stream=1" + words, "receive");
  const auto sending = pair.peer->start("send-many stream=2" + words, "send");
  const auto flushing = pair.peer->start("flush deadline=10000", "send");
  const Stream ours = stream({0, kLimit}, 1);
  std::thread sender([&] {
    for (std::uint64_t sent = 0; sent < count;) {
      const auto accepted =
          send_batch(pair.channel, ours.seed, ours.sizes, sent, std::min<std::uint64_t>(25, count - sent), soon());
      ASSERT_OK(accepted);
      ASSERT_GT(*accepted, 0U);
      sent += *accepted;
    }
  });
  const Stream theirs = stream({0, kLimit}, 2);
  std::vector<sluice::Message> messages(10);
  for (std::uint64_t received = 0; received < count;) {
    const auto some = pair.channel.receive_many(messages, soon());
    ASSERT_OK(some);
    for (const auto& message : std::span(messages).first(*some)) ASSERT_EQ(theirs.wrong(received++, message.bytes()), "");
  }
  sender.join();
  const Reply received = finish_while_moving(pair, receiving);
  EXPECT_DONE(received);
  note("calls_of_receive_many", received.number("calls"));
  EXPECT_DONE(pair.peer->finish(sending));
  EXPECT_DONE(finish_while_answering(pair, flushing));
  messages.clear();
  EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::would_block);
}

TEST_P(ManyAtATime, LargeOnesAmongSmallOnes) {
  auto pair = meet(PeerDoes::listen);
  const std::uint64_t limit = std::min<std::uint64_t>(kMebibyte, affordable(kMebibyte, 0.1));
  const std::uint64_t count = scaled(200, 30);
  const std::string words = " many=16 count=" + std::to_string(count) + " mixed=" + std::to_string(limit);
  const auto sending = pair.peer->start("send-many" + words, "send");
  const auto flushing = pair.peer->start("flush deadline=10000", "send");  // moves a tail
  receive(pair.channel, stream({0, limit}), 0, count);
  EXPECT_DONE(pair.peer->finish(sending));
  EXPECT_DONE(finish_while_answering(pair, flushing));
}

}  // namespace
}  // namespace sluice_test
