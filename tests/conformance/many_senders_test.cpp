// Promise 8: several senders on one end are safe with senders=many, in place or not: every message arrives whole and once, and
// those of each sender in order.
#include <algorithm>
#include <array>
#include <string>
#include <thread>
#include <vector>

#include "conformance.hpp"
#include "interleaved.hpp"
#include "while_moving.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(ManySenders, 8);

// Of each sender: what goes home in a ring, what is one record, and what no ring and no record of this test holds whole.
constexpr std::array<std::size_t, 4> kSizes{24, 300, 4000, 70'000};
constexpr std::uint64_t kBytesOfARound = 24 + 300 + 4000 + 70'000;

std::string words_of_sizes() {
  std::string words = "sizes=";
  for (const auto size : kSizes) words += std::to_string(size) + ",";
  words.pop_back();
  return words;
}

// One of our senders: in place, with send_many, with send, in turn; and now and then a loan that it drops.
void send_in_turn(Channel& channel, const Stream& stream, std::uint64_t count) {
  for (std::uint64_t number = 0; number < count; ++number) {
    const auto bytes = stream.message(number);
    if (number % 10 == 0) {
      EXPECT_OK(channel.loan(bytes.size(), patience()));  // dropped
    }
    if (number % 3 == 0) {
      auto loan = channel.loan(bytes.size(), patience());
      ASSERT_OK(loan);
      std::ranges::copy(bytes, loan->bytes().begin());
      ASSERT_OK(loan->commit());
    } else if (number % 3 == 1) {
      const std::span<const std::byte> part{bytes};
      const sluice::Outgoing outgoing{.parts = {&part, 1}};
      const auto sent = channel.send_many({&outgoing, 1}, patience());
      ASSERT_OK(sent);
      ASSERT_EQ(*sent, 1U);
    } else {
      ASSERT_OK(channel.send(bytes, patience()));
    }
  }
}

TEST_P(ManySenders, FourOnEachEndBothWaysAtOnceMixNothingUp) {
  MeetOptions options;
  options.senders = sluice::Senders::many;
  options.capacity = std::size_t{64} << 10;  // where one can choose: little, so that they wait for room and for each other
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what, options);
    const std::uint64_t wanted = scaled(150, 10) * kBytesOfARound;
    const std::uint64_t count = std::max<std::uint64_t>(affordable(wanted, 0.7) / kBytesOfARound, 5);
    note("messages_of_each", count);
    const std::string words = " count=" + std::to_string(count);
    const auto receiving = pair.peer->start("receive-interleaved " + words_of_sizes() + words, "receive");
    std::vector<Peer::Ticket> theirs;
    std::vector<std::thread> ours;
    for (std::size_t sender = 0; sender < kSizes.size(); ++sender) {
      const std::string lane = "sender" + std::to_string(sender);
      const std::string size = " size=" + std::to_string(kSizes[sender]);
      theirs.push_back(pair.peer->start("send loan=2 stream=" + std::to_string(sender + 1) + size + words, lane));
      theirs.push_back(pair.peer->start("flush deadline=10000", lane));  // moves a tail
      ours.emplace_back([&, sender] { send_in_turn(pair.channel, stream({kSizes[sender]}, sender + 1), count); });
    }
    Interleaved interleaved(test_seed(), {kSizes.begin(), kSizes.end()});
    for (std::uint64_t received = 0; received < count * kSizes.size() && !HasFailure(); ++received) {
      const auto message = pair.channel.receive(soon());
      EXPECT_OK(message) << "after " << received;
      if (message) {
        EXPECT_EQ(interleaved.wrong(message->bytes()), "");
      }
    }
    for (const auto of_one : interleaved.received()) EXPECT_EQ(of_one, count);
    for (auto& thread : ours) thread.join();
    ASSERT_FALSE(HasFailure());
    EXPECT_DONE(finish_while_moving(pair, receiving));
    for (const auto ticket : theirs) EXPECT_DONE(finish_while_answering(pair, ticket));
    EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::would_block);
    EXPECT_FAILED(pair.peer->call("receive deadline=now"), Errc::would_block);
    EXPECT_EQ(pair.channel.statistics().messages_sent, count * kSizes.size());
  }
}

}  // namespace
}  // namespace sluice_test
