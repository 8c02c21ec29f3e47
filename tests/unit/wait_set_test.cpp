// WaitSet over inproc: its members, its events, and one thread that serves many clients.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <sluice/sluice.hpp>
#include <string>
#include <thread>
#include <vector>

#include "unit/connected_ends.hpp"
#include "unit/waitables.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::Channel;
using sluice::Deadline;
using sluice::Errc;
using sluice::Event;
using sluice::Readiness;
using sluice::WaitSet;
using sluice::Want;
using sluice_test::connect_ends;
using sluice_test::Ends;
using sluice_test::fresh_endpoint;
using sluice_test::kPatience;

class WaitSetTest : public testing::Test {
 protected:
  void SetUp() override {
    if (sluice::links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  }
  WaitSet set_ = WaitSet::create().value();
  std::array<Event, 8> events_{};
};

TEST_F(WaitSetTest, ADeadlinePasses) {
  auto ends = connect_ends("");
  ASSERT_TRUE(set_.add(ends.first, 1, Want::message));
  EXPECT_EQ(set_.wait(events_, Deadline::now()).error().code, Errc::would_block);
  EXPECT_EQ(set_.wait(events_, 1ms).error().code, Errc::timed_out);
  EXPECT_EQ(set_.wait({}, 1ms).error().code, Errc::misuse);
}

TEST_F(WaitSetTest, WakeIsToldOnceAndNotLost) {
  set_.wake();
  EXPECT_EQ(set_.wait(events_, kPatience).value(), 0U);
  EXPECT_EQ(set_.wait(events_, Deadline::now()).error().code, Errc::would_block);
  std::thread waking([&] { set_.wake(); });
  EXPECT_EQ(set_.wait(events_, kPatience).value(), 0U);
  waking.join();
}

TEST_F(WaitSetTest, WakeIsToldThoughAMemberAlwaysHasSomething) {
  auto ends = connect_ends("");
  ASSERT_TRUE(set_.add(ends.first, 1, Want::room));
  ASSERT_EQ(set_.wait(events_, kPatience).value(), 1U);
  set_.wake();
  EXPECT_EQ(set_.wait(events_, kPatience).value(), 0U);
  EXPECT_EQ(set_.wait(events_, kPatience).value(), 1U);
}

TEST_F(WaitSetTest, ClientsThatAnAcceptLeavesAreTold) {
  const auto endpoint = fresh_endpoint("");
  auto listener = sluice::listen(endpoint).value();
  ASSERT_TRUE(set_.add(listener, 1));
  ASSERT_EQ(set_.wait(events_, Deadline::now()).error().code, Errc::would_block);
  std::vector<std::thread> clients;
  for (int count = 0; count < 3; ++count) clients.emplace_back([&] { EXPECT_TRUE(sluice::connect(endpoint, kPatience)); });
  EXPECT_TRUE(listener.accept(kPatience));  // outside of the loop
  for (int left = 2; left > 0;) {
    ASSERT_TRUE(set_.wait(events_, kPatience));
    while (left > 0 && listener.accept(Deadline::now())) --left;
  }
  for (auto& client : clients) client.join();
}

// A peer that holds a message is not told that it keeps us waiting, once room is wanted no longer.
TEST_F(WaitSetTest, AWishForRoomIsTakenBack) {
  auto ends = connect_ends("?link=region");
  for (const bool is_removed : {false, true}) {
    while (ends.first.send(sluice::as_bytes("full"), Deadline::now())) {
    }
    ASSERT_TRUE(set_.add(ends.first, 1, Want::room));
    EXPECT_EQ(set_.wait(events_, Deadline::now()).error().code, Errc::would_block);
    if (is_removed) {
      ASSERT_TRUE(set_.remove(ends.first));
    } else {
      ASSERT_TRUE(set_.change(ends.first, Want::message));
      EXPECT_EQ(set_.wait(events_, Deadline::now()).error().code, Errc::would_block);
    }
    std::vector<sluice::Message> held;
    while (auto message = ends.second.receive(Deadline::now())) held.push_back(*std::move(message));
    EXPECT_EQ(ends.second.receive(Deadline::now()).error().code, Errc::would_block) << "not held";
    if (!is_removed) {
      ASSERT_TRUE(set_.remove(ends.first));
    }
  }
}

TEST_F(WaitSetTest, AMovedMemberStaysAndADestroyedOneIsRemoved) {
  auto ends = connect_ends("");
  {
    Channel member = std::move(ends.second);
    ASSERT_TRUE(set_.add(member, 3, Want::message));
    EXPECT_EQ(set_.add(member, 3, Want::message).error().code, Errc::misuse) << "twice";
    EXPECT_EQ(member.arm(Want::message).error().code, Errc::misuse) << "the set arms it";
    const Channel moved = std::move(member);
    ASSERT_TRUE(ends.first.send(sluice::as_bytes("x"), kPatience));
    ASSERT_EQ(set_.wait(events_, kPatience).value(), 1U);
    EXPECT_EQ(events_[0].key, 3U);
    EXPECT_TRUE(events_[0].message);
  }
  EXPECT_EQ(set_.wait(events_, 1ms).error().code, Errc::timed_out);
}

TEST_F(WaitSetTest, AChannelMayLeaveAndJoinAnother) {
  auto ends = connect_ends("");
  auto other = WaitSet::create().value();
  ASSERT_TRUE(set_.add(ends.second, 1, Want::message));
  EXPECT_EQ(other.add(ends.second, 2, Want::message).error().code, Errc::misuse);
  EXPECT_EQ(other.remove(ends.second).error().code, Errc::misuse);
  ASSERT_TRUE(set_.remove(ends.second));
  ASSERT_TRUE(other.add(ends.second, 2, Want::message));
  ASSERT_TRUE(ends.first.send(sluice::as_bytes("x"), kPatience));
  ASSERT_EQ(other.wait(events_, kPatience).value(), 1U);
  EXPECT_EQ(events_[0].key, 2U);
  EXPECT_EQ(set_.wait(events_, Deadline::now()).error().code, Errc::would_block);
  {
    const WaitSet gone = std::move(other);
  }
  EXPECT_EQ(ends.second.arm(Want::message).value(), Readiness::ready) << "the set that had it is gone";
}

TEST_F(WaitSetTest, WhatIsWantedCanChange) {
  auto ends = connect_ends("");
  ASSERT_TRUE(ends.first.send(sluice::as_bytes("x"), kPatience));
  ASSERT_TRUE(set_.add(ends.second, 1, Want::nothing));
  EXPECT_EQ(set_.wait(events_, Deadline::now()).error().code, Errc::would_block);
  ASSERT_TRUE(set_.change(ends.second, Want::message | Want::room));
  ASSERT_EQ(set_.wait(events_, kPatience).value(), 1U);
  EXPECT_TRUE(events_[0].message);
  EXPECT_TRUE(events_[0].room);
}

TEST_F(WaitSetTest, ADescriptorOfOthersIsWaitedFor) {
  sluice_test::Lamp lamp;
  const auto reading = lamp.waitable();
  ASSERT_TRUE(set_.add(reading, 9));
  EXPECT_EQ(set_.wait(events_, Deadline::now()).error().code, Errc::would_block);
  lamp.light();
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(set_.wait(events_, kPatience).value(), 1U);
    EXPECT_EQ(events_[0].key, 9U);
    EXPECT_TRUE(events_[0].message);
  }
  ASSERT_TRUE(set_.remove(reading));
  EXPECT_EQ(set_.remove(reading).error().code, Errc::misuse);
  EXPECT_EQ(set_.wait(events_, Deadline::now()).error().code, Errc::would_block);
}

// With room for one event only, a member that always has something doesn't keep the others out.
TEST_F(WaitSetTest, EveryMemberHasItsTurn) {
  std::vector<Ends> all;
  for (std::uint64_t key = 0; key < 5; ++key) all.push_back(connect_ends(""));
  for (std::uint64_t key = 0; key < all.size(); ++key) {
    ASSERT_TRUE(set_.add(all[key].second, key, Want::message));
    ASSERT_TRUE(all[key].first.send(sluice::as_bytes("x"), kPatience));
  }
  std::map<std::uint64_t, int> seen;
  for (int round = 0; round < 10; ++round) {
    std::array<Event, 1> one;
    ASSERT_EQ(set_.wait(one, kPatience).value(), 1U);
    ++seen[one[0].key];
  }
  ASSERT_EQ(seen.size(), all.size());
  for (const auto& [key, times] : seen) EXPECT_EQ(times, 2) << key;
}

TEST_F(WaitSetTest, AClosedListenerIsTold) {
  auto listener = sluice::listen(fresh_endpoint("")).value();
  ASSERT_TRUE(set_.add(listener, 1));
  EXPECT_EQ(set_.wait(events_, Deadline::now()).error().code, Errc::would_block);
  std::thread closing([&] { listener.close(); });
  ASSERT_EQ(set_.wait(events_, kPatience).value(), 1U);
  EXPECT_TRUE(events_[0].ended);
  EXPECT_FALSE(events_[0].connection);
  closing.join();
}

// One thread serves many channels of all three shapes and three listeners; each client gets back what it sends.
TEST_F(WaitSetTest, OneThreadServesManyClients) {
  constexpr std::uint64_t kListeners = 100;  // keys below are channels'
  constexpr int kClients = 60;
  constexpr int kMessages = 50;
  constexpr std::size_t kCapacity = std::size_t{64} << 10;
  const std::array endpoints{fresh_endpoint("?link=region"), fresh_endpoint("?link=stream"), fresh_endpoint("?link=packets")};
  sluice::Options small;
  small.capacity = kCapacity;
  std::vector<sluice::Listener> listeners;
  for (const auto& endpoint : endpoints) listeners.push_back(sluice::listen(endpoint, small).value());
  for (std::uint64_t at = 0; at < listeners.size(); ++at) ASSERT_TRUE(set_.add(listeners[at], kListeners + at));

  std::thread clients([&] {
    std::vector<Channel> channels;
    for (int client = 0; client < kClients; ++client)
      channels.push_back(sluice::connect(endpoints[static_cast<std::size_t>(client) % endpoints.size()], kPatience).value());
    for (int round = 0; round < kMessages; ++round) {
      for (auto& channel : channels) EXPECT_TRUE(channel.send(sluice::as_bytes(std::to_string(round)), kPatience));
      for (auto& channel : channels) {
        const auto answer = channel.receive(kPatience);
        EXPECT_TRUE(answer && sluice::as_text(answer->bytes()) == std::to_string(round));
      }
    }
    for (auto& channel : channels) EXPECT_TRUE(channel.close(kPatience));
  });

  std::map<std::uint64_t, Channel> serving;
  int served = 0;
  std::uint64_t next_key = 0;
  while (served < kClients) {
    const auto count = set_.wait(events_, kPatience);
    if (!count) {
      ADD_FAILURE() << describe(count.error());
      break;
    }
    for (const auto& event : std::span{events_}.first(*count)) {
      if (event.connection) {
        const std::uint64_t key = next_key++;
        auto& channel = serving.emplace(key, listeners[event.key - kListeners].accept(Deadline::now()).value()).first->second;
        EXPECT_TRUE(set_.add(channel, key, Want::message));
      } else if (event.message) {
        auto& channel = serving.at(event.key);
        while (const auto message = channel.receive(Deadline::now())) EXPECT_TRUE(channel.send(message->bytes(), kPatience));
      } else if (event.ended) {
        EXPECT_EQ(serving.at(event.key).ended()->code, Errc::closed);
        serving.erase(event.key);
        ++served;
      }
    }
  }
  clients.join();
  EXPECT_EQ(served, kClients);
}

}  // namespace
