// Promise 7, in the session of packets: raw packets from a peer that shook hands rightly and then misbehaves. Of the offer's
// handles the first is the queue that the connecting side receives from, the second the one that it sends to.
#include <mqueue.h>

#include <algorithm>
#include <functional>

#include "hostile.hpp"

namespace sluice_test {
namespace {

class HostilePackets : public HostileTest {};
INSTANTIATE_TEST_SUITE_P(Promise7, HostilePackets, testing::ValuesIn(strangers_with(sluice::Shape::packets)), label_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HostilePackets);

constexpr std::uint32_t kSmallLimit = 200'000;
constexpr const char* const kSmallLimitOption = "max_message=200000";

class RawQueue {
 public:
  explicit RawQueue(const RawOffer& offer) : queue_(static_cast<mqd_t>(offer.files[1])) {
    const mq_attr blocking{};  // the flags alone count (mq_setattr(3)): no O_NONBLOCK
    mq_setattr(queue_, &blocking, nullptr);
  }
  bool send(std::span<const std::byte> packet) {
    timespec until{};
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2;
    return send_until(packet, until);
  }
  // The same, if there is room now.
  bool send_now(std::span<const std::byte> packet) { return send_until(packet, {}); }
  // A record of the wire, in a packet of its own.
  bool send(const Wire& record, std::uint32_t number) { return send(packet_of(record, number)); }
  static std::vector<std::byte> packet_of(const Wire& record, std::uint32_t number) {
    constexpr std::size_t kHeader = 8;
    auto bytes = record.bytes();
    const auto numbered = Wire{}.u32(number);
    bytes.insert(bytes.begin() + kHeader, numbered.bytes().begin(), numbered.bytes().end());
    return bytes;
  }
  // A packet: header, number, payload.
  bool send(std::uint64_t header, std::uint32_t number, std::size_t payload) {
    return send(Wire{}.u64(header).u32(number).zeros(payload).bytes());
  }

  // Queues are smaller where the user's limit runs out.
  [[nodiscard]] std::size_t largest_payload() const {
    constexpr std::size_t kHead = 12;
    mq_attr attributes{};
    mq_getattr(queue_, &attributes);
    return static_cast<std::size_t>(attributes.mq_msgsize) - kHead;
  }

 private:
  bool send_until(std::span<const std::byte> packet, const timespec& until) {
    static constexpr char kNothing = 0;  // mq_send wants an address, of nothing as well
    const char* bytes = packet.empty() ? &kNothing : reinterpret_cast<const char*>(packet.data());
    return mq_timedsend(queue_, bytes, packet.size(), 0, &until) == 0;
  }

  mqd_t queue_;
};

struct PacketAttack {
  const char* what;
  std::function<void(RawQueue&)> send;
};

std::vector<PacketAttack> packet_attacks() {
  const auto one = [](std::uint64_t header, std::uint32_t number, std::size_t payload) {
    return [=](RawQueue& queue) { (void)queue.send(header, number, payload); };
  };
  return {
      {"an empty packet", [](RawQueue& queue) { (void)queue.send(std::span<const std::byte>{}); }},
      {"11 bytes", [](RawQueue& queue) { (void)queue.send(Wire{}.zeros(11).bytes()); }},
      {"random bytes", [](RawQueue& queue) { (void)queue.send(Wire{}.random(1000, 5).bytes()); }},
      {"a missing number", one(raw_header(RawKind::data, 10), 1, 10)},
      {"a number far away", one(raw_header(RawKind::data, 10), 0x70000000U, 10)},
      {"more than the header says", one(raw_header(RawKind::data, 10), 0, 11)},
      {"less than the header says", one(raw_header(RawKind::data, 10), 0, 9)},
      {"64 MiB in a header", one(raw_header(RawKind::data, (1U << 26) - 1), 0, 10)},
      {"kind 0", one(raw_header(RawKind::none, 10), 0, 10)},
      {"kind 7", one(raw_header(RawKind::seven, 10), 0, 10)},
      {"a filler", one(raw_header(RawKind::filler, 0), 0, 0)},
      {"a turn", one(raw_header(RawKind::data, 10, 0, kRawTurn), 0, 10)},
      {"the home bit", one(raw_header(RawKind::data, 10, 0, kRawHome), 0, 10)},
      {"the handles bit", one(raw_header(RawKind::data, 10, 0, kRawHandles), 0, 10)},
      {"an empty piece", one(raw_header(RawKind::piece, 0), 0, 0)},
      {"a last piece alone", one(raw_header(RawKind::last_piece, 10), 0, 10)},
      {"a short control record", one(raw_header(RawKind::control, 8), 0, 8)},
      {"an unknown word", one(raw_header(RawKind::control, 16), 0, 16)},
      {"data between pieces",
       [](RawQueue& queue) {
         (void)queue.send(raw_header(RawKind::piece, 10), 0, 10);
         (void)queue.send(raw_header(RawKind::data, 10), 1, 10);
       }},
      {"pieces beyond the largest message",
       [](RawQueue& queue) {
         const auto size = static_cast<std::uint32_t>(queue.largest_payload());
         for (std::uint32_t number = 0; number <= kSmallLimit / size; ++number)
           if (!queue.send(raw_header(RawKind::piece, size), number, size)) return;
       }},
  };
}

TEST_P(HostilePackets, BrokenPackets) {
  auto& victim = listening_victim(kSmallLimitOption);
  const std::uint64_t memory = resident_bytes(victim.pid());
  const auto attacks = packet_attacks();
  for (const auto& attack : attacks) {
    SCOPED_TRACE(attack.what);
    auto connected = connect_rightly(victim);
    ASSERT_EQ(connected.offer.files.size(), 2U);
    RawQueue queue(connected.offer);
    const auto receiving = victim.start("receive deadline=5000");
    attack.send(queue);
    EXPECT_FAILED(victim.finish(receiving), Errc::protocol_error);
    expect_protocol_error(victim);
  }
  note("attacks", attacks.size());
  expect_unharmed(victim, memory);
}

// Words out of their time: whatever the victim makes of them, no message comes of it, and nothing hangs.
TEST_P(HostilePackets, WordsOutOfTheirTime) {
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  const auto data = Wire{}.u64(raw_header(RawKind::data, 10)).zeros(10);
  const auto piece = Wire{}.u64(raw_header(RawKind::piece, 10)).zeros(10);
  const std::vector<Wire> sequences[] = {
      {piece, raw_control(word::kGoodbye)}, {raw_control(word::kFinish), data},
      {raw_control(word::kGoodbye), data},  {raw_control(word::kFinish), raw_control(word::kFinish)},
      {raw_control(word::kGoodbyeSeen)},    {raw_control(word::kTaken)},
  };
  for (const auto& sequence : sequences) {
    auto connected = connect_rightly(victim);
    RawQueue queue(connected.offer);
    const auto receiving = victim.start("receive all=1 deadline=200");
    std::uint32_t number = 0;
    for (const auto& said : sequence) ASSERT_TRUE(queue.send(said, number++));
    const Reply received = victim.finish(receiving);
    EXPECT_EQ(received.number("received"), 0U) << received;
    EXPECT_NE(received.code, "no_answer");
    EXPECT_NE(received.code, "wrong_content") << received;
    EXPECT_DONE(victim.call("destroy"));
  }
  expect_unharmed(victim, memory);
}

TEST_P(HostilePackets, RandomPackets) {
  auto& victim = listening_victim(kSmallLimitOption);
  const std::uint64_t memory = resident_bytes(victim.pid());
  Random random(test_seed());
  const std::uint64_t rounds = scaled(60, 20);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    auto connected = connect_rightly(victim);
    RawQueue queue(connected.offer);
    const auto receiving = victim.start("receive all=1 deadline=5000");
    // Most begin rightly, so that what comes behind is looked at as well; the victim stops taking once something is wrong.
    std::uint32_t number = 0;
    for (std::uint64_t packets = 1 + random.below(12); packets > 0 && !victim.has_answered(receiving); --packets) {
      const auto length = static_cast<std::uint32_t>(random.below(std::min<std::size_t>(3000, queue.largest_payload())));
      const std::size_t payload = random.below(8) != 0 ? length : random.below(queue.largest_payload());
      const auto kind = static_cast<RawKind>(random.below(4) != 0 ? 1 + random.below(3) : random.below(8));
      auto record =
          Wire{}.u64(raw_header(kind, length, static_cast<std::uint32_t>(random.below(2)))).random(payload, random.next());
      if (random.below(8) == 0) record = Wire{}.random(8 + random.below(queue.largest_payload()), random.next());
      // Whether there is room is the victim's affair: one that has ended the channel makes none.
      (void)queue.send_now(
          RawQueue::packet_of(record, random.below(16) != 0 ? number++ : static_cast<std::uint32_t>(random.next())));
    }
    connected.socket.close();
    const Reply received = victim.finish(receiving);
    const bool ended = received.done || received.code == "protocol_error" || received.code == "wrong_content";
    EXPECT_TRUE(ended) << received;
    EXPECT_DONE(victim.call("destroy"));
    ASSERT_FALSE(HasFailure());
  }
  note("rounds", rounds);
  expect_unharmed(victim, memory);
}

TEST_P(HostilePackets, EndlessControlPacketsDontHoldACallBeyondItsDeadline) {
  auto& victim = listening_victim();
  auto connected = connect_rightly(victim);
  RawQueue queue(connected.offer);
  const std::uint64_t memory = resident_bytes(victim.pid());
  std::uint32_t packets = 0;
  const Reply received = receive_in_a_flood(victim, [&] {
    if (queue.send_now(RawQueue::packet_of(raw_control(word::kAsk), packets))) ++packets;
  });
  EXPECT_FAILED(received, Errc::timed_out);
  note("packets", packets);
  EXPECT_GT(packets, 20U);  // twice what a queue holds
  EXPECT_DONE(victim.call("destroy"));
  expect_unharmed(victim, memory);
}

TEST_P(HostilePackets, APacketThatComesTwiceIsDropped) {
  auto& victim = listening_victim();
  auto connected = connect_rightly(victim);
  RawQueue queue(connected.offer);
  for (std::uint32_t number = 0; number < 3; ++number) {
    const auto message = stream({100}).message(number);
    Wire packet;
    packet.u64(raw_header(RawKind::data, 100)).u32(number);
    std::vector<std::byte> bytes = packet.bytes();
    bytes.insert(bytes.end(), message.begin(), message.end());
    ASSERT_TRUE(queue.send(bytes));
    ASSERT_TRUE(queue.send(bytes));
  }
  EXPECT_DONE(victim.call("receive size=100 count=3"));
  EXPECT_FAILED(victim.call("receive deadline=now"), Errc::would_block);
  EXPECT_DONE(victim.call("destroy"));
}

}  // namespace
}  // namespace sluice_test
