// The contract of PacketLink (links/packet_link.hpp), for every implementation. Each packet begins with its number, by which
// the receiver drops what a link of unknown outcomes has sent twice, as the records above do.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <thread>

#include "unit/links_pair.hpp"

namespace sluice::inline v0::test {
namespace {

using Bytes = std::span<const std::byte>;
using Content = std::vector<std::byte>;

constexpr std::size_t kNumberSize = sizeof(std::uint32_t);

Content packet(std::uint32_t number, std::size_t size) {
  Content bytes = pattern(std::max(size, kNumberSize), number + 1);
  std::memcpy(bytes.data(), &number, kNumberSize);
  return bytes;
}

Result<void> send_once(links::PacketLink& link, Bytes bytes) {
  const links::OutgoingPacket outgoing{std::span{&bytes, 1}};
  const auto sent = link.send({&outgoing, 1});
  if (!sent) return sent.error();
  EXPECT_EQ(*sent, 1U);
  return {};
}

Result<void> send_waiting(links::PacketLink& link, Bytes bytes) {
  while (true) {
    auto sent = send_once(link, bytes);
    if (sent || sent.error().code != Errc::would_block) return sent;
    if (!becomes_writable(link.outgoing())) return Errc::timed_out;
  }
}

// Takes packets off a link, in order, each once.
class Receiver {
 public:
  explicit Receiver(links::PacketLink& link) : link_(link) {}

  // What is there; empty: nothing but repetitions. `most`: packets a call.
  Result<std::vector<Content>> receive(std::size_t most = 4) {
    std::vector<links::Packet> packets(most);
    const auto count = link_.receive(packets);
    if (!count) return count.error();
    is_at_end_ = *count == 0;
    EXPECT_LE(*count, most);
    std::vector<Content> news;
    for (const auto& one : std::span{packets}.first(std::min(*count, most))) {
      const auto bytes = one.bytes.bytes();
      std::uint32_t number = 0;
      EXPECT_GE(bytes.size(), kNumberSize);
      std::memcpy(&number, bytes.data(), std::min(bytes.size(), kNumberSize));
      if (number < next_) continue;
      EXPECT_EQ(number, next_);
      ++next_;
      news.emplace_back(bytes.begin(), bytes.end());
    }
    return news;
  }

  // Waits until it has `count`, or the end.
  Result<std::vector<Content>> receive_all(std::size_t count) {
    std::vector<Content> all;
    while (all.size() < count && !is_at_end_) {
      auto some = receive();
      if (some) {
        std::ranges::move(*some, std::back_inserter(all));
      } else if (some.error().code != Errc::would_block) {
        return some.error();
      } else if (!becomes_readable(link_.incoming())) {
        return Errc::timed_out;
      }
    }
    return all;
  }
  // Takes everything, repetitions too, until nothing is left.
  void drain() {
    while (becomes_ready(link_.incoming(), {.readable = true, .writable = false}, kNever) && !is_at_end_)
      (void)receive().has_value();
  }
  [[nodiscard]] bool is_at_end() const { return is_at_end_; }

 private:
  links::PacketLink& link_;
  std::uint32_t next_{0};
  bool is_at_end_{false};
};

class PacketContract : public testing::TestWithParam<Subject> {
 protected:
  void SetUp() override {
    auto met = meet(GetParam());
    ASSERT_TRUE(is_ok(met));
    ends_ = *std::move(met);
  }
  [[nodiscard]] links::PacketLink& near() const { return ends_.connecting.packets(); }
  [[nodiscard]] links::PacketLink& far() const { return ends_.listening.packets(); }

  // Sends until the link, outbox and all, takes no more: how many went, at most `limit`.
  std::uint32_t fill(std::size_t size, std::uint32_t limit = 10'000) {
    bool is_last_try = false;  // a courier may have made room since the send before it
    std::uint32_t count = 0;
    while (count < limit) {
      if (send_once(near(), packet(count, size))) {
        ++count;
        is_last_try = false;
      } else if (is_last_try) {
        break;
      } else {
        is_last_try = stays_unwritable(near().outgoing());
      }
    }
    return count;
  }

  Ends ends_;
};

TEST_P(PacketContract, ReceivingWhereNothingIsWouldBlock) {
  EXPECT_TRUE(fails_with(Errc::would_block, Receiver{near()}.receive()));
  EXPECT_TRUE(fails_with(Errc::would_block, Receiver{far()}.receive()));
  EXPECT_TRUE(stays_unreadable(near().incoming()));
  EXPECT_TRUE(becomes_writable(near().outgoing()));
  EXPECT_FALSE(near().pending());
}

TEST_P(PacketContract, PacketsOfEverySizeArriveWholeEitherWay) {
  EXPECT_GE(near().max_packet(), 128U);
  EXPECT_EQ(near().max_packet(), far().max_packet());
  const std::size_t most = near().max_packet();
  for (const auto& [from, to] : {std::pair{&near(), &far()}, std::pair{&far(), &near()}}) {
    Receiver receiver{*to};
    std::uint32_t number = 0;
    for (const std::size_t size : {kNumberSize, kNumberSize + 1, most / 2, most - 1, most}) {
      const auto sent = packet(number++, size);
      ASSERT_TRUE(is_ok(send_waiting(*from, sent)));
      const auto received = receiver.receive_all(1);
      ASSERT_TRUE(is_ok(received));
      ASSERT_EQ(received->size(), 1U);
      EXPECT_TRUE(received->front() == sent) << size;
    }
  }
}

TEST_P(PacketContract, PartsAreGatheredInOrder) {
  const auto sent = packet(0, 100);
  const std::array parts{Bytes{sent}.first(30), Bytes{}, Bytes{sent}.subspan(30)};
  const links::OutgoingPacket outgoing{parts};
  const auto count = near().send({&outgoing, 1});
  ASSERT_TRUE(is_ok(count));
  const auto received = Receiver{far()}.receive_all(1);
  ASSERT_TRUE(is_ok(received));
  EXPECT_EQ(received->front(), sent);
}

TEST_P(PacketContract, BatchesGoAndComeInOrder) {
  constexpr std::uint32_t kPackets = 100;
  Receiver receiver{far()};
  std::uint32_t gone = 0;
  std::uint32_t received = 0;
  while (received < kPackets) {
    std::vector<Content> batch;
    for (std::uint32_t i = gone; i < std::min(gone + 8, kPackets); ++i) batch.push_back(packet(i, 20 + i));
    std::vector<Bytes> parts(batch.begin(), batch.end());
    std::vector<links::OutgoingPacket> outgoing;
    for (const auto& part : parts) outgoing.push_back({std::span{&part, 1}});
    if (!outgoing.empty()) {
      const auto sent = near().send(outgoing);
      if (sent) {
        EXPECT_GE(*sent, 1U);
        EXPECT_LE(*sent, outgoing.size());
        gone += static_cast<std::uint32_t>(*sent);
      } else {
        ASSERT_TRUE(fails_with(Errc::would_block, sent));
      }
    }
    ASSERT_TRUE(becomes_readable(far().incoming()));
    const auto some = receiver.receive();
    ASSERT_TRUE(is_ok(some));
    for (const auto& one : *some) {
      ASSERT_TRUE(one == packet(received, 20 + received)) << received;
      ++received;
    }
  }
}

TEST_P(PacketContract, APacketThatIsTooLargeIsMisuse) {
  EXPECT_TRUE(fails_with(Errc::misuse, send_once(near(), packet(0, near().max_packet() + 1))));
  EXPECT_TRUE(stays_unreadable(far().incoming()));
  // Behind one that fits it waits for a call of its own.
  const std::array contents{packet(0, 10), packet(1, near().max_packet() + 1)};
  const std::array parts{Bytes{contents[0]}, Bytes{contents[1]}};
  const std::array outgoing{links::OutgoingPacket{std::span{&parts[0], 1}}, links::OutgoingPacket{std::span{&parts[1], 1}}};
  const auto sent = near().send(outgoing);
  ASSERT_TRUE(is_ok(sent));
  EXPECT_EQ(*sent, 1U);
}

TEST_P(PacketContract, NothingOfTheCallersMemoryIsKept) {
  auto bytes = packet(0, 100);
  const auto sent = bytes;
  ASSERT_TRUE(is_ok(send_waiting(near(), bytes)));
  std::ranges::fill(bytes, std::byte{0});
  const auto received = Receiver{far()}.receive_all(1);
  ASSERT_TRUE(is_ok(received));
  EXPECT_EQ(received->front(), sent);
}

TEST_P(PacketContract, AFullLinkWouldBlockUntilItIsRead) {
  const std::uint32_t count = fill(64);
  ASSERT_LT(count, 10'000U) << "the link has no bound";
  ASSERT_GE(count, 1U);
  EXPECT_TRUE(fails_with(Errc::would_block, send_once(near(), packet(count, 64))));
  EXPECT_TRUE(stays_unwritable(near().outgoing()));
  const auto received = Receiver{far()}.receive_all(count);
  ASSERT_TRUE(is_ok(received));
  ASSERT_EQ(received->size(), count);
  EXPECT_TRUE(becomes_writable(near().outgoing()));
  EXPECT_TRUE(is_ok(send_once(near(), packet(count, 64))));
}

TEST_P(PacketContract, ReadinessIsLevelTriggeredForSeveralWaiters) {
  ASSERT_TRUE(is_ok(send_waiting(near(), packet(0, 10))));
  std::thread other([&] { EXPECT_TRUE(becomes_readable(far().incoming())); });
  EXPECT_TRUE(becomes_readable(far().incoming()));
  other.join();
  EXPECT_TRUE(becomes_readable(far().incoming()));
  Receiver{far()}.drain();
  EXPECT_TRUE(stays_unreadable(far().incoming()));
}

TEST_P(PacketContract, WaitersThatSleepAreWokenByAPacket) {
  std::vector<std::thread> waiters;
  for (int i = 0; i < 3; ++i) waiters.emplace_back([&] { EXPECT_TRUE(becomes_readable(far().incoming())); });
  EXPECT_TRUE(is_ok(send_waiting(near(), packet(0, 10))));
  for (auto& waiter : waiters) waiter.join();
}

TEST_P(PacketContract, TheOutboxEmptiesItself) {
  const std::uint32_t count = fill(64);
  const auto received = Receiver{far()}.receive_all(count);
  ASSERT_TRUE(is_ok(received));
  EXPECT_EQ(received->size(), count);
  EXPECT_TRUE(becomes_true([&] { return !near().pending(); }));
  EXPECT_TRUE(becomes_writable(near().outgoing()));
}

TEST_P(PacketContract, OneThreadSendsWhileAnotherReceivesAtBothEnds) {
  constexpr std::uint32_t kPackets = 2000;
  constexpr std::size_t kSize = 120;
  const auto send_all = [&](links::PacketLink& link) {
    for (std::uint32_t i = 0; i < kPackets; ++i) ASSERT_TRUE(is_ok(send_waiting(link, packet(i, kSize))));
  };
  const auto receive_all = [&](links::PacketLink& link) {
    const auto received = Receiver{link}.receive_all(kPackets);
    ASSERT_TRUE(is_ok(received));
    ASSERT_EQ(received->size(), kPackets);
    for (std::uint32_t i = 0; i < kPackets; ++i) ASSERT_TRUE((*received)[i] == packet(i, kSize)) << i;
  };
  std::thread near_sends([&] { send_all(near()); });
  std::thread far_sends([&] { send_all(far()); });
  std::thread near_receives([&] { receive_all(near()); });
  receive_all(far());
  near_sends.join();
  far_sends.join();
  near_receives.join();
}

// What only a link that tells of its end promises; for the others the tether does.
class PacketEndContract : public PacketContract {};

TEST_P(PacketEndContract, TheEndComesAfterThePackets) {
  const std::uint32_t count = fill(64);
  ends_.connecting = End{};
  Receiver receiver{far()};
  const auto received = receiver.receive_all(count + 1);
  ASSERT_TRUE(is_ok(received));
  EXPECT_EQ(received->size(), count);
  EXPECT_TRUE(receiver.is_at_end());
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(becomes_readable(far().incoming()));
    ASSERT_TRUE(is_ok(receiver.receive()));
    EXPECT_TRUE(receiver.is_at_end());
  }
}

TEST_P(PacketEndContract, SendingToAPeerThatIsGoneIsPeerDied) {
  ends_.listening = End{};
  EXPECT_TRUE(becomes_writable(near().outgoing()));
  EXPECT_TRUE(fails_with(Errc::peer_died, send_once(near(), packet(0, 10))));
  EXPECT_FALSE(near().pending());
}

TEST_P(PacketEndContract, APeerThatGoesWakesWhoWaitsForRoomOrPackets) {
  (void)fill(64);
  std::thread for_room([&] { EXPECT_TRUE(becomes_writable(near().outgoing())); });
  std::thread for_packets([&] { EXPECT_TRUE(becomes_readable(near().incoming())); });
  ends_.listening = End{};
  for_room.join();
  for_packets.join();
  EXPECT_TRUE(becomes_true([&] { return !near().pending(); }));
  EXPECT_TRUE(fails_with(Errc::peer_died, send_once(near(), packet(0, 10))));
}

// A link that doesn't tell of its end has a tether, or a meeting that stays open, which does.
class PacketTetherContract : public PacketContract {};

TEST_P(PacketTetherContract, TheMeetingEndsWithThePeer) {
  auto& meeting = *std::get<0>(ends_.listening.meeting_link);
  EXPECT_TRUE(stays_unreadable(meeting.incoming()));
  ASSERT_TRUE(is_ok(send_waiting(near(), packet(0, 10))));
  ends_.connecting = End{};
  ASSERT_TRUE(becomes_readable(meeting.incoming()));
  std::array<std::byte, 8> bytes{};
  const std::span<std::byte> room{bytes};
  const auto end = meeting.read(std::span{&room, 1});
  ASSERT_TRUE(is_ok(end));
  EXPECT_EQ(*end, 0U);
  const auto received = Receiver{far()}.receive_all(1);
  ASSERT_TRUE(is_ok(received));
  EXPECT_EQ(received->front(), packet(0, 10));
}

std::vector<Subject> subjects_that_meet_in(bool lobby) {
  auto all = subjects(Shape::packets);
  std::erase_if(all, [&](const Subject& subject) { return meets_in_lobby(subject) != lobby; });
  return all;
}

INSTANTIATE_TEST_SUITE_P(Links, PacketContract, testing::ValuesIn(subjects(Shape::packets)), name_of);
INSTANTIATE_TEST_SUITE_P(Links, PacketEndContract, testing::ValuesIn(subjects_that_meet_in(false)), name_of);
INSTANTIATE_TEST_SUITE_P(Links, PacketTetherContract, testing::ValuesIn(subjects_that_meet_in(true)), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PacketContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PacketEndContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PacketTetherContract);

}  // namespace
}  // namespace sluice::inline v0::test
