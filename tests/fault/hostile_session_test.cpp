// Promise 7, in the session: raw records, packets and ring contents from a peer that shook hands rightly and then misbehaves.
// The tests of a shape run for those mechanisms whose channel has it; what carries raw bytes there is at the head of each.
#include <mqueue.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "hostile.hpp"

namespace sluice_test {
namespace {

class HostileSession : public HostileTest {
 protected:
  bool has_other_shape(sluice::Shape shape) const { return traits().shape != shape; }

  // What the victim's receive says after an attack; and that every further call says it again.
  void expect_protocol_error(Peer& victim) {
    EXPECT_FAILED(victim.call("receive deadline=5000"), Errc::protocol_error);
    EXPECT_EQ(victim.call("ended").text("code"), "protocol_error");
    EXPECT_FAILED(victim.call("receive deadline=now"), Errc::protocol_error);
    EXPECT_FALSE(victim.call("send size=10 deadline=100").done);
    EXPECT_DONE(victim.call("destroy"));
  }
};
INSTANTIATE_TEST_SUITE_P(Promise7, HostileSession, testing::ValuesIn(subjects()), label_of);

struct Attack {
  const char* what;
  Wire bytes;
};

// One record and its payload.
Wire record(RawKind kind, std::uint32_t length, std::size_t payload, std::uint32_t back = 0, std::uint32_t bits = 0) {
  return Wire{}.u64(raw_header(kind, length, back, bits)).zeros(payload);
}

// What no Sluice peer writes, in a stream and, cut into packets, in packets as well. Each breaks the channel.
std::vector<Attack> broken_records(std::uint64_t max_message) {
  std::vector<Attack> attacks{
      {"kind 6", record(RawKind::six, 10, 10)},
      {"kind 7", record(RawKind::seven, 10, 10)},
      {"kind 0", record(RawKind::none, 10, 10)},
      {"a filler", record(RawKind::filler, 0, 0)},
      {"the reserved bit", record(RawKind::data, 10, 10, 0, kRawReserved)},
      {"the home bit", record(RawKind::data, 10, 10, 0, kRawHome)},
      {"the handles bit", record(RawKind::data, 10, 10, 0, kRawHandles)},
      {"an empty piece", record(RawKind::piece, 0, 0)},
      {"a last piece without a first", record(RawKind::last_piece, 10, 10)},
      {"data between pieces", record(RawKind::piece, 10, 10).append(record(RawKind::data, 10, 10))},
      {"an empty last piece", record(RawKind::piece, 10, 10).append(record(RawKind::last_piece, 0, 0))},
      {"a short control record", record(RawKind::control, 15, 15)},
      {"an empty control record", record(RawKind::control, 0, 0)},
      {"an unknown word", raw_control(77)},
      {"a word of the handshake", raw_control(word::kReady)},
      {"a goodbye between pieces", record(RawKind::piece, 10, 10).append(raw_control(word::kGoodbye))},
      {"a message after finish", raw_control(word::kFinish).append(record(RawKind::data, 10, 10))},
      {"a goodbye seen that was not said", raw_control(word::kGoodbyeSeen)},
      {"more messages taken than were sent", record(RawKind::control, 16, 0, 1000).u32(word::kTaken).u32(1000).u64(0)},
  };
  attacks.push_back({"more than the largest message", record(RawKind::piece, 60'000, 60'000)});
  // Pieces that exceed it together.
  for (std::uint64_t total = 60'000; total <= max_message; total += 60'000)
    attacks.back().bytes.append(record(RawKind::piece, 60'000, 60'000));
  return attacks;
}

constexpr std::uint64_t kSmallLimit = 200'000;
const char* const kSmallLimitOption = "max_message=200000";

// ---- streams: whatever is written to the socket ----------------------------------------------------------------------------

TEST_P(HostileSession, BrokenRecordsInAStream) {
  if (answered() || has_other_shape(sluice::Shape::stream)) return;
  auto& victim = listening_victim(kSmallLimitOption);
  const std::uint64_t memory = resident_bytes(victim.pid());
  auto attacks = broken_records(kSmallLimit);
  attacks.push_back({"a record above 64 KiB", record(RawKind::data, 65'529, 65'529)});
  attacks.push_back({"a record that announces 64 MiB", record(RawKind::data, (1U << 26) - 1, 1000)});
  attacks.push_back({"a message above the limit", record(RawKind::data, 60'000, 0)});
  for (int piece = 0; piece < 4; ++piece) attacks.back().bytes.zeros(60'000).u64(raw_header(RawKind::piece, 60'000));
  for (const auto& attack : attacks) {
    SCOPED_TRACE(attack.what);
    auto connected = connect_rightly(victim);
    (void)connected.socket.send(attack.bytes);
    // What is wrong shows at once, without waiting for more.
    const Reply received = victim.call("receive deadline=5000 count=2");
    if (!received && received.code != "wrong_content") {
      EXPECT_FAILED(received, Errc::protocol_error);
    }
    expect_protocol_error(victim);
  }
  note("attacks", attacks.size());
  expect_unharmed(victim, memory);
}

TEST_P(HostileSession, AnAnnouncedLengthCostsNoMemory) {
  if (answered() || has_other_shape(sluice::Shape::stream)) return;
  auto& victim = listening_victim();
  auto connected = connect_rightly(victim);
  const std::uint64_t memory = resident_bytes(victim.pid());
  // Pieces of a message of 64 MiB, of which one little piece comes, byte by byte.
  ASSERT_TRUE(connected.socket.send(record(RawKind::piece, 65'528, 100)));
  EXPECT_FAILED(victim.call("receive deadline=100"), Errc::timed_out);
  EXPECT_FAILED(victim.call("receive deadline=now"), Errc::would_block);
  EXPECT_FAILED(victim.call("receive into=10 deadline=50"), Errc::timed_out);
  expect_grown_less(victim, memory, std::uint64_t{1} << 20);
  // And then the end: the message is not delivered.
  connected.socket.close();
  EXPECT_FAILED(victim.call("receive deadline=5000"), Errc::peer_died);
  EXPECT_DONE(victim.call("destroy"));
  expect_unharmed(victim, memory);
}

TEST_P(HostileSession, RandomBytesInAStream) {
  if (answered() || has_other_shape(sluice::Shape::stream)) return;
  auto& victim = listening_victim(kSmallLimitOption);
  const std::uint64_t memory = resident_bytes(victim.pid());
  Random random(test_seed());
  const std::uint64_t rounds = scaled(60, 20);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    auto connected = connect_rightly(victim);
    Wire wire;
    for (std::uint64_t records = random.below(4); records > 0; --records) {
      const auto length = static_cast<std::uint32_t>(random.below(3000));
      wire.append(record(static_cast<RawKind>(random.below(8)), length, random.below(2) == 0 ? length : random.below(3000),
                         static_cast<std::uint32_t>(random.next()), 0));
    }
    wire.random(random.below(70'000), random.next());
    const auto receiving = victim.start("receive all=1 deadline=5000");
    (void)connected.socket.send(wire);
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

TEST_P(HostileSession, EndlessControlRecordsDontHoldACallBeyondItsDeadline) {
  if (answered() || has_other_shape(sluice::Shape::stream)) return;
  auto& victim = listening_victim();
  auto connected = connect_rightly(victim);
  const std::uint64_t memory = resident_bytes(victim.pid());
  Wire flood;
  for (int at = 0; at < 1000; ++at) flood.append(raw_control(word::kAsk, static_cast<std::uint32_t>(at)));
  const auto started = Clock::now();
  const auto receiving = victim.start("receive deadline=300");
  while (!victim.has_answered(receiving) && Clock::now() - started < patience()) {
    if (::send(connected.socket.fd(), flood.bytes().data(), flood.bytes().size(), MSG_NOSIGNAL | MSG_DONTWAIT) <= 0)
      std::this_thread::sleep_for(1ms);
  }
  const Reply received = victim.finish(receiving);
  EXPECT_TRUE(received.code == "timed_out" || received.code == "protocol_error") << received;
  EXPECT_LT(Clock::now() - started, 300ms + patience() / 2);
  expect_grown_less(victim, memory, std::uint64_t{8} << 20);  // answers must not pile up
  EXPECT_DONE(victim.call("destroy"));
  expect_unharmed(victim, memory);
}

// ---- packets: the two queues of the offer, from the connecting side: [0] it receives from, [1] it sends to -----------------

class RawQueue {
 public:
  explicit RawQueue(const RawOffer& offer) : queue_(static_cast<mqd_t>(offer.files[1])) {}
  bool send(std::span<const std::byte> packet) {
    timespec until{};
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2;
    return mq_timedsend(queue_, reinterpret_cast<const char*>(packet.data()), packet.size(), 0, &until) == 0;
  }
  // A packet: header, number, payload.
  bool send(std::uint64_t header, std::uint32_t number, std::size_t payload) {
    return send(Wire{}.u64(header).u32(number).zeros(payload).bytes());
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
      {"a number far away", one(raw_header(RawKind::data, 10), 0x80000000U, 10)},
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
         for (std::uint32_t number = 0; number < 40; ++number)
           if (!queue.send(raw_header(RawKind::piece, 8000), number, 8000)) return;
       }},
  };
}

TEST_P(HostileSession, BrokenPackets) {
  if (answered() || has_other_shape(sluice::Shape::packets)) return;
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

TEST_P(HostileSession, APacketThatComesTwiceIsDropped) {
  if (answered() || has_other_shape(sluice::Shape::packets)) return;
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

TEST_P(HostileSession, AStrayByteOnTheTetherIsNoMessage) {
  if (answered() || !traits().lobby) return;
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  auto connected = connect_rightly(victim);
  ASSERT_TRUE(connected.socket.send(Wire{}.random(5000, test_seed())));
  const Reply received = victim.call("receive deadline=5000");
  EXPECT_TRUE(received.code == "peer_died" || received.code == "protocol_error") << received;
  EXPECT_DONE(victim.call("destroy"));
  expect_unharmed(victim, memory);
}

// ---- regions: the memory of the offer: files[0] memory, [1] the connecting side's doorbell, [2] the listener's -------------

class RawRegion {
 public:
  static constexpr std::size_t kHead = 65'536;
  static constexpr std::size_t kConsumerLine = 512;  // of ring 0, read by the victim (the listener's side)
  static constexpr std::size_t kProducerLine = 640;
  static constexpr std::size_t kSecondConsumerLine = 768;  // of ring 1, which the victim writes

  explicit RawRegion(const RawOffer& offer)
      : size_(offer.numbers.at(0)), capacity_(offer.numbers.at(1)), bell_(offer.files[2]) {
    memory_ = static_cast<std::byte*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, offer.files[0], 0));
  }
  RawRegion(const RawRegion&) = delete;
  RawRegion& operator=(const RawRegion&) = delete;
  ~RawRegion() { munmap(memory_, size_); }

  void store(std::size_t offset, std::uint64_t value) {
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(memory_ + offset)).store(value, std::memory_order_release);
  }
  void store32(std::size_t offset, std::uint32_t value) {
    std::atomic_ref(*reinterpret_cast<std::uint32_t*>(memory_ + offset)).store(value, std::memory_order_release);
  }
  // A header in the ring that the victim reads.
  void header(std::size_t offset, std::uint64_t value) { store(kHead + offset, value); }
  void ring() {
    const std::uint64_t one = 1;
    (void)!write(bell_, &one, sizeof(one));
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

 private:
  std::size_t size_;
  std::size_t capacity_;
  int bell_;
  std::byte* memory_;
};

struct RegionAttack {
  const char* what;
  std::function<void(RawRegion&)> write;
};

std::vector<RegionAttack> region_attacks() {
  const auto at_zero = [](std::uint64_t header) { return [=](RawRegion& region) { region.header(0, header); }; };
  return {
      {"kind 0 with a length", at_zero(raw_header(RawKind::none, 10))},
      {"kind 7", at_zero(raw_header(RawKind::seven, 10))},
      {"the reserved bit", at_zero(raw_header(RawKind::data, 10, 0, kRawReserved))},
      {"the handles bit", at_zero(raw_header(RawKind::data, 10, 0, kRawHandles))},
      {"a filler at offset 0", at_zero(raw_header(RawKind::filler, 0))},
      {"a filler with a length",
       [](RawRegion& region) {
         region.header(8, raw_header(RawKind::filler, 8));
         region.header(0, raw_header(RawKind::data, 0));
       }},
      {"a length of 64 MiB", at_zero(raw_header(RawKind::data, (1U << 26) - 1))},
      {"the whole ring",
       [](RawRegion& region) { region.header(0, raw_header(RawKind::data, static_cast<std::uint32_t>(region.capacity()))); }},
      {"one byte too many",
       [](RawRegion& region) {
         region.header(0, raw_header(RawKind::data, static_cast<std::uint32_t>(region.capacity() - 15)));
       }},
      {"an empty piece", at_zero(raw_header(RawKind::piece, 0))},
      {"a last piece alone", at_zero(raw_header(RawKind::last_piece, 8))},
      {"a long control record", at_zero(raw_header(RawKind::control, 4096))},
      {"a short control record", at_zero(raw_header(RawKind::control, 8))},
      {"all ones", at_zero(~std::uint64_t{0})},
      {"a release position in the header beyond what was written", at_zero(raw_header(RawKind::data, 0, 0x1000000))},
  };
}

TEST_P(HostileSession, BrokenRecordsInARing) {
  if (answered() || has_other_shape(sluice::Shape::region)) return;
  auto& victim = listening_victim(kSmallLimitOption);
  const std::uint64_t memory = resident_bytes(victim.pid());
  const auto attacks = region_attacks();
  for (const auto& attack : attacks) {
    SCOPED_TRACE(attack.what);
    auto connected = connect_rightly(victim);
    ASSERT_EQ(connected.offer.files.size(), 3U);
    ASSERT_EQ(connected.offer.numbers.size(), 2U);
    RawRegion region(connected.offer);
    const auto receiving = victim.start("receive deadline=2000 count=2");
    attack.write(region);
    region.ring();
    const Reply received = victim.finish(receiving);
    // A lie about released room shows when it is used: the victim sends.
    if (received.code == "timed_out") {
      EXPECT_FAILED(victim.call("send deadline=300 count=5000 size=2000"), Errc::protocol_error);
    } else {
      EXPECT_FAILED(received, Errc::protocol_error);
    }
    EXPECT_DONE(victim.call("destroy"));
  }
  note("attacks", attacks.size());
  expect_unharmed(victim, memory);
}

TEST_P(HostileSession, ARingThatIsScribbledOverAllTheTime) {
  if (answered() || has_other_shape(sluice::Shape::region)) return;
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  const std::uint64_t rounds = scaled(20, 6);
  Random random(test_seed());
  for (std::uint64_t round = 0; round < rounds; ++round) {
    auto connected = connect_rightly(victim);
    RawRegion region(connected.offer);
    const auto started = Clock::now();
    const auto receiving = victim.start("receive all=1 deadline=300", "receive");
    const auto sending = victim.start("send count=2000 mixed=100000 deadline=300", "send");
    while (!victim.has_answered(receiving) || !victim.has_answered(sending)) {
      for (int write = 0; write < 2000; ++write) {
        // Mostly where it hurts: the lines, and headers at the beginning of both rings.
        const std::uint64_t place = random.below(8);
        std::size_t offset = RawRegion::kConsumerLine + 8 * random.below(64);
        if (place >= 3)
          offset =
              RawRegion::kHead + (place % 2) * region.capacity() + 8 * random.below(place == 7 ? region.capacity() / 8 : 512);
        const std::uint64_t header =
            raw_header(static_cast<RawKind>(random.below(8)), static_cast<std::uint32_t>(random.below(1 << 12)),
                       static_cast<std::uint32_t>(random.below(1 << 14)));
        region.store(offset, random.below(3) == 0 ? random.next() : header);
      }
      region.ring();
      ASSERT_LT(Clock::now() - started, patience() * 2) << "the victim waits beyond its deadline";
    }
    (void)victim.finish(receiving);
    (void)victim.finish(sending);
    EXPECT_DONE(victim.call("destroy"));
    ASSERT_FALSE(HasFailure());
  }
  note("rounds", rounds);
  // Messages that a stranger claims may be as large as the ring allows.
  expect_unharmed(victim, memory, std::uint64_t{80} << 20);
}

TEST_P(HostileSession, EndlessDoorbellsAndRecordsDontHoldACallBeyondItsDeadline) {
  if (answered() || has_other_shape(sluice::Shape::region)) return;
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  {
    auto connected = connect_rightly(victim);
    RawRegion region(connected.offer);
    const auto started = Clock::now();
    const auto receiving = victim.start("receive deadline=300");
    while (!victim.has_answered(receiving) && Clock::now() - started < patience()) region.ring();
    EXPECT_FAILED(victim.finish(receiving), Errc::timed_out);
    EXPECT_LT(Clock::now() - started, 300ms + patience() / 2);
    EXPECT_DONE(victim.call("destroy"));
  }
  expect_unharmed(victim, memory);
}

}  // namespace
}  // namespace sluice_test
