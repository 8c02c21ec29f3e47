// Channels over tcp with both ends in this process: what each system's sockets make of the promises.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <sluice/sluice.hpp>
#include <string>
#include <thread>
#include <vector>

#include "unit/connected_ends.hpp"
#include "unit/random.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::Channel;
using sluice::Deadline;
using sluice::Errc;
using sluice::Event;
using sluice::WaitSet;
using sluice::Want;
using sluice_test::Ends;
using sluice_test::kPatience;
using sluice_test::Random;

class TcpChannels : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (sluice::links::find_mechanism("tcp") == nullptr) GTEST_SKIP() << "tcp is not built in";
    auto listener = sluice::listen(GetParam());
    if (!listener) GTEST_SKIP() << describe(listener.error(), GetParam());
  }
  static Ends connected() {
    auto listener = sluice::listen(GetParam()).value();
    std::optional<Channel> first;
    std::thread connecting([&] { first.emplace(sluice::connect(listener.endpoint(), kPatience).value()); });
    auto second = listener.accept(kPatience);
    connecting.join();
    return Ends{*std::move(first), std::move(second).value()};
  }
};

std::string text_of(const sluice::Result<sluice::Message>& message) {
  return message ? std::string(sluice::as_text(message->bytes())) : std::string(name(message.error().code));
}

TEST_P(TcpChannels, MessagesOfEachSizeGoBothWays) {
  auto ends = connected();
  Random random;
  for (const std::size_t size : {0U, 1U, 8U, 1000U, 65'535U, 65'536U, 65'537U, 300'000U, 5'000'000U}) {
    const auto bytes = random.bytes(size);
    for (auto [from, to] : {std::pair{&ends.first, &ends.second}, std::pair{&ends.second, &ends.first}}) {
      std::thread sending([&] { EXPECT_TRUE(from->send(bytes, kPatience)) << size; });
      const auto message = to->receive(kPatience);
      sending.join();
      ASSERT_TRUE(message) << describe(message.error());
      EXPECT_TRUE(std::ranges::equal(message->bytes(), bytes)) << size;
    }
  }
}

TEST_P(TcpChannels, BothWaysAtTheSameTime) {
  auto ends = connected();
  constexpr int kMessages = 2000;
  const auto send = [](Channel& channel) {
    for (int number = 0; number < kMessages; ++number) {
      const std::vector<std::byte> bytes(static_cast<std::size_t>(number) * 7 % 5000, static_cast<std::byte>(number));
      ASSERT_TRUE(channel.send(bytes, kPatience));
    }
  };
  const auto receive = [](Channel& channel) {
    for (int number = 0; number < kMessages; ++number) {
      const auto message = channel.receive(kPatience);
      ASSERT_TRUE(message) << describe(message.error()) << " at " << number;
      ASSERT_EQ(message->bytes().size(), static_cast<std::size_t>(number) * 7 % 5000);
    }
  };
  std::thread one([&] { send(ends.first); });
  std::thread two([&] { send(ends.second); });
  std::thread three([&] { receive(ends.first); });
  receive(ends.second);
  for (auto* thread : {&one, &two, &three}) thread->join();
}

TEST_P(TcpChannels, ASenderThatIsAheadWaitsUntilItsDeadline) {
  auto ends = connected();
  const std::vector<std::byte> bytes(60'000, std::byte{7});
  std::uint64_t sent = 0;
  while (ends.first.send(bytes, 100ms)) {
    ASSERT_LT(++sent, 10'000U) << "nothing is ever full";
  }
  EXPECT_EQ(ends.first.send(bytes, Deadline::now()).error().code, Errc::would_block);
  // The last one that was accepted may be a tail, which its sender's calls move.
  std::thread moving([&] { EXPECT_TRUE(ends.first.flush(kPatience)); });
  for (std::uint64_t number = 0; number < sent; ++number) {
    const auto message = ends.second.receive(kPatience);
    ASSERT_TRUE(message) << describe(message.error()) << " at " << number << " of " << sent;
  }
  EXPECT_EQ(text_of(ends.second.receive(50ms)), "timed_out");
  moving.join();
}

TEST_P(TcpChannels, WhatWasAcceptedArrivesThoughItsEndIsDestroyed) {
  auto ends = connected();
  const std::vector<std::byte> bytes(50'000, std::byte{3});
  std::uint64_t sent = 0;
  while (ends.first.send(bytes, Deadline::now())) ++sent;
  {
    const Channel gone = std::move(ends.first);
  }
  std::uint64_t received = 0;
  auto message = ends.second.receive(kPatience);
  for (; message; message = ends.second.receive(kPatience)) {
    ASSERT_EQ(message->bytes().size(), bytes.size());
    ++received;
  }
  // Of the last one a tail may have been left: it is dropped whole.
  EXPECT_TRUE(received == sent || received + 1 == sent) << received << " of " << sent;
  EXPECT_TRUE(message.error().code == Errc::closed || message.error().code == Errc::peer_died);
}

TEST_P(TcpChannels, CloseSaysGoodbyeAfterAllThatWasSent) {
  auto ends = connected();
  for (int number = 0; number < 100; ++number) ASSERT_TRUE(ends.first.send(sluice::as_bytes("x"), kPatience));
  std::thread closing([&] { EXPECT_TRUE(ends.first.close(kPatience)); });
  int received = 0;
  auto message = ends.second.receive(kPatience);
  for (; message; message = ends.second.receive(kPatience)) ++received;
  closing.join();
  EXPECT_EQ(received, 100);
  EXPECT_EQ(message.error().code, Errc::closed);
  EXPECT_TRUE(ends.second.close(kPatience));
}

TEST_P(TcpChannels, OneWaitSetServesManyAndTheListener) {
  auto listener = sluice::listen(GetParam()).value();
  constexpr std::size_t kClients = 40;
  std::vector<std::thread> clients;
  for (std::size_t client = 0; client < kClients; ++client) {
    clients.emplace_back([&] {
      auto channel = sluice::connect(listener.endpoint(), kPatience);
      ASSERT_TRUE(channel) << describe(channel.error());
      for (int round = 0; round < 20; ++round) {
        ASSERT_TRUE(channel->send(sluice::as_bytes("ping"), kPatience));
        ASSERT_EQ(text_of(channel->receive(kPatience)), "ping");
      }
      EXPECT_TRUE(channel->close(kPatience));
    });
  }
  auto set = WaitSet::create().value();
  ASSERT_TRUE(set.add(listener, 0));
  std::vector<std::unique_ptr<Channel>> channels;
  std::size_t open = kClients;
  std::vector<Event> events(16);
  while (open > 0) {
    const auto count = set.wait(events, kPatience);
    ASSERT_TRUE(count) << describe(count.error());
    for (const auto& event : std::span{events}.first(*count)) {
      if (event.key == 0) {
        while (auto accepted = listener.accept(Deadline::now())) {
          channels.push_back(std::make_unique<Channel>(*std::move(accepted)));
          ASSERT_TRUE(set.add(*channels.back(), channels.size(), Want::message));
        }
        continue;
      }
      auto& channel = channels[event.key - 1];
      while (auto message = channel->receive(Deadline::now())) ASSERT_TRUE(channel->send(message->bytes(), kPatience));
      if (channel->ended()) {
        channel.reset();
        --open;
      }
    }
  }
  for (auto& client : clients) client.join();
}

TEST_P(TcpChannels, ForeignFramingHearsTheEndOfTheStream) {
  auto listener = sluice::listen(GetParam() + std::string("?framing=line")).value();
  std::optional<Channel> first;
  std::thread connecting([&] { first.emplace(sluice::connect(listener.endpoint() + "?framing=line", kPatience).value()); });
  auto second = listener.accept(kPatience).value();
  connecting.join();
  ASSERT_TRUE(first->send(sluice::as_bytes("one"), kPatience));
  ASSERT_TRUE(first->finish(kPatience));
  EXPECT_EQ(text_of(second.receive(kPatience)), "one");
  EXPECT_EQ(text_of(second.receive(kPatience)), "closed");
  ASSERT_TRUE(second.send(sluice::as_bytes("two"), kPatience));
  EXPECT_EQ(text_of(first->receive(kPatience)), "two");
}

TEST_P(TcpChannels, NobodyListensIsSaidAtOnceAndAPortIsTakenOnce) {
  std::string where;
  {
    auto listener = sluice::listen(GetParam()).value();
    where = listener.endpoint();
    EXPECT_EQ(sluice::listen(where).error().code, Errc::address_in_use);
  }
  EXPECT_EQ(sluice::connect(where, kPatience).error().code, Errc::not_found);
  EXPECT_TRUE(sluice::listen(where)) << "and is free again";
}

INSTANTIATE_TEST_SUITE_P(Loopback, TcpChannels, testing::Values("tcp:127.0.0.1:0", "tcp:[::1]:0"), [](const auto& tested) {
  return std::string(tested.param).find(']') == std::string::npos ? "v4" : "v6";
});

}  // namespace
