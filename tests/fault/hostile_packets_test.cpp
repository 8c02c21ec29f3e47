// Promise 7, in the session of packets: raw packets from a peer that shook hands rightly and then misbehaves. Of the offer's
// handles the first is the queue that the connecting side receives from, the second the one that it sends to.
#include <mqueue.h>

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
    static constexpr char kNothing = 0;  // mq_send wants an address, of nothing as well
    const char* bytes = packet.empty() ? &kNothing : reinterpret_cast<const char*>(packet.data());
    return mq_timedsend(queue_, bytes, packet.size(), 0, &until) == 0;
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
      {"the reserved bit", one(raw_header(RawKind::data, 10, 0, kRawReserved), 0, 10)},
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
