// Promise 7, in the session of a stream: raw records from a peer that shook hands rightly and then misbehaves.
#include <sys/socket.h>

#include <thread>

#include "hostile.hpp"
#include "hostile_records.hpp"

namespace sluice_test {
namespace {

class HostileStream : public HostileTest {};
INSTANTIATE_TEST_SUITE_P(Promise7, HostileStream, testing::ValuesIn(strangers_with(sluice::Shape::stream)), label_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HostileStream);

constexpr std::uint64_t kSmallLimit = 200'000;
const char* const kSmallLimitOption = "max_message=200000";

TEST_P(HostileStream, BrokenRecordsInAStream) {
  auto& victim = listening_victim(kSmallLimitOption);
  const std::uint64_t memory = resident_bytes(victim.pid());
  auto attacks = broken_records(kSmallLimit);
  attacks.push_back({"a record above 64 KiB", record(RawKind::data, 65'537, 65'537)});
  attacks.push_back({"a record that announces 64 MiB", record(RawKind::data, (1U << 26) - 1, 1000)});
  for (const auto& attack : attacks) {
    SCOPED_TRACE(attack.what);
    auto connected = connect_rightly(victim);
    const auto receiving = victim.start("receive deadline=5000");
    (void)connected.socket.send(attack.bytes);
    // What is wrong shows at once, without waiting for more.
    EXPECT_FAILED(victim.finish(receiving), Errc::protocol_error);
    expect_protocol_error(victim);
  }
  note("attacks", attacks.size());
  expect_unharmed(victim, memory);
}

// Words out of their time: whatever the victim makes of them, no message comes of it, and nothing hangs.
TEST_P(HostileStream, WordsOutOfTheirTime) {
  auto& victim = listening_victim();
  const Wire words[] = {
      record(RawKind::piece, 10, 10).append(raw_control(word::kGoodbye)),
      raw_control(word::kFinish).append(record(RawKind::data, 10, 10)),
      raw_control(word::kGoodbye).append(record(RawKind::data, 10, 10)),
      raw_control(word::kFinish).append(raw_control(word::kFinish)),
      raw_control(word::kGoodbyeSeen),
      raw_control(word::kTaken),
  };
  for (const auto& said : words) {
    auto connected = connect_rightly(victim);
    const auto receiving = victim.start("receive all=1 deadline=200");
    ASSERT_TRUE(connected.socket.send(said));
    const Reply received = victim.finish(receiving);
    EXPECT_EQ(received.number("received"), 0U) << received;
    EXPECT_NE(received.code, "no_answer");
    EXPECT_NE(received.code, "wrong_content") << received;
    EXPECT_DONE(victim.call("destroy"));
  }
  expect_unharmed(victim, resident_bytes(victim.pid()));
}

TEST_P(HostileStream, AnAnnouncedLengthCostsNoMemory) {
  auto& victim = listening_victim();
  auto connected = connect_rightly(victim);
  const std::uint64_t memory = resident_bytes(victim.pid());
  // Pieces of a message of 64 MiB, of which one little piece comes, byte by byte.
  ASSERT_TRUE(connected.socket.send(record(RawKind::piece, 65'536, 100)));
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

TEST_P(HostileStream, RandomBytesInAStream) {
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

TEST_P(HostileStream, EndlessControlRecordsDontHoldACallBeyondItsDeadline) {
  auto& victim = listening_victim();
  auto connected = connect_rightly(victim);
  const std::uint64_t memory = resident_bytes(victim.pid());
  Wire flood;
  for (int at = 0; at < 1000; ++at) flood.append(raw_control(word::kAsk, static_cast<std::uint32_t>(at)));
  const Reply received = receive_in_a_flood(victim, [&] {
    if (::send(connected.socket.fd(), flood.bytes().data(), flood.bytes().size(), MSG_NOSIGNAL | MSG_DONTWAIT) <= 0)
      std::this_thread::sleep_for(1ms);
  });
  EXPECT_TRUE(received.code == "timed_out" || received.code == "protocol_error") << received;
  EXPECT_DONE(victim.call("destroy"));
  expect_unharmed(victim, memory);
}

}  // namespace
}  // namespace sluice_test
