// Promise 7 for who judges what a stranger sends: with the option `untrusted` a received message is a private copy, which the
// peer can't change any more. That it really can't, where the ring is shared: tests/fault/hostile_region_test.cpp.
#include <string>
#include <vector>

#include "conformance.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(Untrusted, 7);

// Held while the sender goes round a ring many times over the place where they came: they hold nothing up, and stay what they
// were. Views would keep their room, and the receive after them would answer `held`.
TEST_P(Untrusted, MessagesAreCopiesThatHoldNothingUpAndStayWhatTheyWere) {
  MeetOptions options;
  options.untrusted = true;
  options.capacity = std::size_t{64} << 10;
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what, options);
    constexpr std::uint64_t kLimit = 20'000;
    const std::uint64_t count = affordable(scaled(200, 60) * kLimit, 1) / kLimit;
    const std::string words = " count=" + std::to_string(count) + " mixed=" + std::to_string(kLimit);
    const auto sending = pair.peer->start("send" + words);
    std::vector<sluice::Message> held;
    for (std::uint64_t number = 0; number < count; ++number) {
      auto message = pair.channel.receive(soon());
      ASSERT_OK(message);
      EXPECT_FALSE(message->shared());
      held.push_back(*std::move(message));
    }
    EXPECT_DONE(pair.peer->finish(sending));
    for (std::uint64_t number = 0; number < count; ++number)
      EXPECT_EQ(stream({0, kLimit}).wrong(number, held[number].bytes()), "");

    const auto receiving = pair.peer->start("receive hold=1" + words);
    send(pair.channel, stream({0, kLimit}), 0, count);
    EXPECT_DONE(pair.peer->finish(receiving));
    const Reply checked = pair.peer->call("check-held shared=0 mixed=" + std::to_string(kLimit));
    EXPECT_DONE(checked);
    EXPECT_EQ(checked.number("held"), count);
    EXPECT_DONE(pair.peer->call("release"));
    note("messages_each_way", count);
  }
}

}  // namespace
}  // namespace sluice_test
