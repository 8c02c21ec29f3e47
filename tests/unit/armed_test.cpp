// arm() and waitable() over inproc in all its shapes: what an event loop builds upon.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
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
using sluice_test::is_readable;
using sluice_test::kPatience;

std::string text_of(const sluice::Result<sluice::Message>& message) {
  return message ? std::string(sluice::as_text(message->bytes())) : describe(message.error());
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

// Armed, and nothing is told of what is over. Where a thread pool of the system tells, one word of that may come late, in vain.
bool stays_quiet(Channel& channel, sluice::Waitable waitable) {
  constexpr int kLateWords = 8;
  for (int round = 0; round < kLateWords; ++round) {
    if (!is_readable(waitable)) return true;
    if (sluice::links::this_system() != "windows") return false;
    arm_and_drain(channel, Want::message);
  }
  return false;
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

class Waiting : public sluice_test::OverShapes {};

TEST_P(Waiting, AMessageMakesAnArmedChannelReadable) {
  auto ends = connect_ends(GetParam());
  const auto waitable = ends.second.waitable().value();
  arm_and_drain(ends.second, Want::message);
  EXPECT_TRUE(stays_quiet(ends.second, waitable));
  ASSERT_TRUE(ends.first.send(sluice::as_bytes("one"), kPatience));
  std::optional<sluice::Message> message;
  loop_until(ends.second, Want::message, [&] {
    if (auto received = ends.second.receive(Deadline::now())) message.emplace(*std::move(received));
    return message.has_value();
  });
  EXPECT_EQ(sluice::as_text(message->bytes()), "one");
  message.reset();
  arm_and_drain(ends.second, Want::message);
  EXPECT_TRUE(stays_quiet(ends.second, waitable));
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
  // Room for a part of it is enough to accept it: what is left our calls move.
  for (const Deadline patience{kPatience}; received < sent + 1 && !patience.has_passed(); std::this_thread::yield())
    ends.first.advance();
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
  const std::vector<std::byte> large(std::size_t{3} << (sluice_test::is_slow_here(GetParam()) ? 15 : 20));
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

INSTANTIATE_TEST_SUITE_P(Shapes, Waiting, sluice_test::every_shape(), sluice_test::name_of_shape);

}  // namespace
