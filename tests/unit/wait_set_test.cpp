// arm(), waitable() and WaitSet over inproc in all its shapes: what an event loop builds upon.
#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <atomic>
#include <cctype>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <sluice/sluice.hpp>
#include <string>
#include <thread>
#include <vector>

#include "links/mechanism.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::Channel;
using sluice::Deadline;
using sluice::Errc;
using sluice::Event;
using sluice::Readiness;
using sluice::WaitSet;
using sluice::Want;

constexpr auto kPatience = 10s;  // for an event that comes at once

std::string fresh_endpoint(const std::string& options) {
  static std::atomic<int> number{0};
  return "inproc:wait-" + std::to_string(number++) + options;
}

struct Ends {
  Channel first;
  Channel second;
};

Ends connect_ends(const std::string& options) {
  const auto endpoint = fresh_endpoint(options);
  auto listener = sluice::listen(endpoint).value();
  std::optional<Channel> first;
  std::thread connecting([&] { first.emplace(sluice::connect(endpoint, kPatience).value()); });
  auto second = listener.accept(kPatience);
  connecting.join();
  return Ends{*std::move(first), std::move(second).value()};
}

std::string text_of(const sluice::Result<sluice::Message>& message) {
  return message ? std::string(sluice::as_text(message->bytes())) : describe(message.error());
}

bool is_readable(sluice::Waitable waitable, std::chrono::milliseconds patience = 0ms) {
  pollfd one{.fd = static_cast<int>(waitable.native), .events = POLLIN, .revents = 0};
  return poll(&one, 1, static_cast<int>(patience.count())) == 1;
}

constexpr std::chrono::milliseconds kLong = kPatience;

// Arms until that answers `armed`, as a loop does that finds nothing; with what is there received.
void arm_and_drain(Channel& channel, Want want) {
  for (int round = 0; round < 1000; ++round) {
    if (channel.arm(want).value() == Readiness::armed) return;
    while (channel.receive(Deadline::now())) {
    }
  }
  FAIL() << "it is never armed";
}

// Waits as a bare event loop does, until `is_done`.
void loop_until(Channel& channel, Want want, const std::function<bool()>& is_done) {
  const auto waitable = channel.waitable().value();
  while (!is_done()) {
    if (channel.arm(want).value() == Readiness::ready) continue;
    if (is_done()) return;
    ASSERT_TRUE(is_readable(waitable, kLong)) << "nothing came";
  }
}

// Arms as a loop does to which nothing comes: after a few vain rounds it says `armed`, and nothing wakes the loop any more.
// Messages that are ready are left alone; room is filled up, for a peer that waits may read ahead and so make some.
void expect_to_sleep(Channel& channel, Want want) {
  const auto waitable = channel.waitable().value();
  bool is_asleep = false;
  for (int round = 0; round < 20 && !is_asleep; ++round) {
    is_asleep = channel.arm(want).value() == Readiness::armed && !is_readable(waitable, 5ms);
    while (want == Want::room && !is_asleep && channel.send(sluice::as_bytes("full"), Deadline::now())) {
    }
  }
  EXPECT_TRUE(is_asleep) << "the loop is kept awake, wanting " << static_cast<int>(want);
}

class Waiting : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (sluice::links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  }
};

TEST_P(Waiting, AMessageMakesAnArmedChannelReadable) {
  auto ends = connect_ends(GetParam());
  const auto waitable = ends.second.waitable().value();
  arm_and_drain(ends.second, Want::message);
  EXPECT_FALSE(is_readable(waitable));
  ASSERT_TRUE(ends.first.send(sluice::as_bytes("one"), kPatience));
  std::optional<sluice::Message> message;
  loop_until(ends.second, Want::message, [&] {
    if (auto received = ends.second.receive(Deadline::now())) message.emplace(*std::move(received));
    return message.has_value();
  });
  EXPECT_EQ(sluice::as_text(message->bytes()), "one");
  message.reset();
  arm_and_drain(ends.second, Want::message);
  EXPECT_FALSE(is_readable(waitable));
  EXPECT_EQ(ends.second.waitable().value(), waitable) << "one descriptor for the channel's life";
}

TEST_P(Waiting, WhatIsThereAlreadyIsReadyAndStaysSo) {
  auto ends = connect_ends(GetParam());
  ASSERT_TRUE(ends.first.send(sluice::as_bytes("one"), kPatience));
  loop_until(ends.second, Want::message, [&] { return ends.second.arm(Want::message).value() == Readiness::ready; });
  EXPECT_EQ(ends.second.arm(Want::message).value(), Readiness::ready);
  EXPECT_TRUE(ends.second.receive(Deadline::now()));
  arm_and_drain(ends.second, Want::message);
}

// A message is no room, a finish no end of the other direction, and what isn't wanted keeps nobody awake.
TEST_P(Waiting, WhatIsNotWantedKeepsNoLoopAwake) {
  for (const bool has_finished : {false, true}) {
    auto ends = connect_ends(GetParam());
    int unread = 0;
    for (; unread < 100 && ends.first.send(sluice::as_bytes("unread"), Deadline::now()); ++unread) {
    }
    std::optional<std::thread> finishing;
    if (has_finished) finishing.emplace([&] { EXPECT_TRUE(ends.first.finish(kPatience)); });
    while (ends.second.send(sluice::as_bytes("full"), 1ms)) {
    }
    expect_to_sleep(ends.second, Want::room);
    expect_to_sleep(ends.second, Want::nothing);
    while (unread > 0 && ends.second.receive(kPatience)) --unread;
    if (finishing) finishing->join();
    EXPECT_EQ(unread, 0);
    expect_to_sleep(ends.second, Want::room);
    expect_to_sleep(ends.second, Want::nothing);
    if (!has_finished) expect_to_sleep(ends.second, Want::message);
  }
}

TEST_P(Waiting, AFinishIsToldToWhoWantsMessages) {
  auto ends = connect_ends(GetParam());
  arm_and_drain(ends.second, Want::message);
  ASSERT_TRUE(ends.first.finish(kPatience));
  loop_until(ends.second, Want::message, [&] { return ends.second.ended().has_value(); });
  EXPECT_EQ(ends.second.arm(Want::message).value(), Readiness::ready);
  EXPECT_TRUE(ends.second.send(sluice::as_bytes("the other direction goes on"), kPatience));
}

// The end comes behind more messages than are read ahead, none of which is wanted.
TEST_P(Waiting, AnEndBehindManyUnwantedMessagesIsTold) {
  auto ends = connect_ends(GetParam());
  for (int sent = 0; sent < 200 && ends.first.send(sluice::as_bytes("unread"), Deadline::now()); ++sent) {
  }
  for (const auto want : {Want::nothing, Want::room}) (void)ends.second.arm(want).value();
  {
    const Channel gone = std::move(ends.first);
  }
  // What has ended for whom wants messages is told behind them.
  int received = 0;
  loop_until(ends.second, Want::message, [&] {
    while (ends.second.receive(Deadline::now())) ++received;
    return ends.second.ended().has_value();
  });
  EXPECT_EQ(ends.second.arm(Want::nothing).value(), Readiness::ready);
}

// Another thread takes messages off the link, into memory of the channel's own: of those that it leaves nothing else tells.
TEST_P(Waiting, WhatAnotherReceiverLeavesIsTold) {
  auto ends = connect_ends(GetParam());
  const auto waitable = ends.second.waitable().value();
  arm_and_drain(ends.second, Want::message);
  std::thread sending([&] {
    for (int count = 0; count < 3; ++count) EXPECT_TRUE(ends.first.send(sluice::as_bytes("three"), kPatience));
  });
  std::thread receiving([&] { EXPECT_TRUE(ends.second.receive(kPatience)); });
  sending.join();
  receiving.join();
  int left = 2;
  loop_until(ends.second, Want::message, [&] {
    while (left > 0 && ends.second.receive(Deadline::now())) --left;
    return left == 0;
  });
  arm_and_drain(ends.second, Want::message);
  ASSERT_TRUE(ends.first.send(sluice::as_bytes("too large for its room"), kPatience));
  std::array<std::byte, 4> room;
  EXPECT_EQ(ends.second.receive_into(room, kPatience).error().code, Errc::too_large);
  EXPECT_TRUE(is_readable(waitable, kLong)) << "it lies with the channel, and no link tells of it";
  EXPECT_EQ(ends.second.arm(Want::message).value(), Readiness::ready);
}

// Unread messages don't keep a loop awake that wants room messages don't keep a loop awake that wants room.
TEST_P(Waiting, RoomIsToldWhenThePeerHasMadeSome) {
  auto ends = connect_ends(GetParam());
  ASSERT_TRUE(ends.second.send(sluice::as_bytes("unread"), kPatience));
  constexpr int kMost = 200'000;
  int sent = 0;
  while (sent < kMost && ends.first.send(sluice::as_bytes("full"), Deadline::now())) ++sent;
  ASSERT_LT(sent, kMost);
  // What was taken on its way may still make room (delivery by a foreign thread).
  int vain = 0;
  for (; vain < 1000 && ends.first.arm(Want::room).value() == Readiness::ready; ++vain)
    while (ends.first.send(sluice::as_bytes("full"), Deadline::now())) ++sent;
  ASSERT_LT(vain, 1000) << "room is told where there is none";
  std::atomic<int> received{0};
  std::thread receiving([&] {
    while (received < sent + 1) {
      if (!ends.second.receive(kPatience)) return;
      ++received;
    }
  });
  loop_until(ends.first, Want::room, [&] { return ends.first.send(sluice::as_bytes("room"), Deadline::now()).has_value(); });
  receiving.join();
  EXPECT_EQ(received, sent + 1);
  EXPECT_EQ(text_of(ends.first.receive(kPatience)), "unread");
}

TEST_P(Waiting, ThePeersEndMakesAnArmedChannelReadable) {
  for (const auto want : {Want::message, Want::room, Want::nothing, Want::message | Want::room}) {
    auto ends = connect_ends(GetParam());
    ASSERT_TRUE(ends.second.waitable());
    std::thread closing([&] { EXPECT_TRUE(ends.first.close(kPatience)); });
    loop_until(ends.second, want, [&] { return ends.second.ended().has_value(); });
    closing.join();
    EXPECT_EQ(ends.second.ended()->code, Errc::closed);
    EXPECT_EQ(ends.second.arm(want).value(), Readiness::ready);
  }
}

TEST_P(Waiting, AnEndIsNotToldBeforeTheMessagesInFrontOfIt) {
  auto ends = connect_ends(GetParam());
  ASSERT_TRUE(ends.first.send(sluice::as_bytes("last"), kPatience));
  std::thread closing([&] { EXPECT_TRUE(ends.first.close(kPatience)); });
  auto set = WaitSet::create().value();
  ASSERT_TRUE(set.add(ends.second, 7, Want::message));
  std::array<Event, 4> events;
  ASSERT_EQ(set.wait(events, kPatience).value(), 1U);
  EXPECT_TRUE(events[0].message);
  EXPECT_FALSE(events[0].ended);
  EXPECT_EQ(text_of(ends.second.receive(Deadline::now())), "last");
  ASSERT_EQ(set.wait(events, kPatience).value(), 1U);
  EXPECT_FALSE(events[0].message);
  EXPECT_TRUE(events[0].ended);
  closing.join();
}

TEST_P(Waiting, ACloseFromAnotherThreadIsToldToTheLoop) {
  auto ends = connect_ends(GetParam());
  const auto waitable = ends.second.waitable().value();
  arm_and_drain(ends.second, Want::message);
  std::thread answering([&] { EXPECT_EQ(ends.first.receive(kPatience).error().code, Errc::closed); });
  std::thread closing([&] { EXPECT_TRUE(ends.second.close(kPatience)); });
  EXPECT_TRUE(is_readable(waitable, kLong));
  closing.join();
  answering.join();
  EXPECT_EQ(ends.second.arm(Want::message).value(), Readiness::ready);
  EXPECT_TRUE(ends.second.waitable());
}

// The rest of a message that was accepted half-way goes out although the loop only waits.
TEST_P(Waiting, AWaitSetMovesTheRestOfAnAcceptedMessage) {
  auto ends = connect_ends(GetParam());
  const std::vector<std::byte> large(std::size_t{3} << 20);
  auto sent = ends.first.send(large, 1ms);
  if (!sent) GTEST_SKIP() << "not a byte of it was taken: there is no rest";
  std::atomic<bool> is_received{false};
  auto set = WaitSet::create().value();
  std::thread receiving([&] {
    const auto message = ends.second.receive(kPatience);
    EXPECT_TRUE(message) << describe(message.error());
    EXPECT_EQ(message ? message->bytes().size() : 0, large.size());
    is_received = true;
    set.wake();
  });
  ASSERT_TRUE(set.add(ends.first, 1, Want::message));
  std::array<Event, 1> events;
  while (!is_received) {
    const auto waited = set.wait(events, kPatience);
    ASSERT_TRUE(waited) << describe(waited.error());
    ASSERT_EQ(*waited, 0U);
  }
  receiving.join();
}

INSTANTIATE_TEST_SUITE_P(Shapes, Waiting,
                         testing::Values("?link=region", "?link=stream", "?link=packets", "?link=stream&chop=1",
                                         "?link=packets&packet=512&depth=2", "?link=packets&deliver=foreign"),
                         [](const auto& tested) {
                           std::string name;
                           for (const char c : std::string{tested.param})
                             name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
                           return name;
                         });

// ---- the set -------------------------------------------------------------------------------------------------------------

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
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const sluice::Waitable reading{ends[0]};
  ASSERT_TRUE(set_.add(reading, 9));
  EXPECT_EQ(set_.wait(events_, Deadline::now()).error().code, Errc::would_block);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(set_.wait(events_, kPatience).value(), 1U);
    EXPECT_EQ(events_[0].key, 9U);
    EXPECT_TRUE(events_[0].message);
  }
  ASSERT_TRUE(set_.remove(reading));
  EXPECT_EQ(set_.remove(reading).error().code, Errc::misuse);
  EXPECT_EQ(set_.wait(events_, Deadline::now()).error().code, Errc::would_block);
  close(ends[0]);
  close(ends[1]);
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
