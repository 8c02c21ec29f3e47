// Promise 7, in the session of a region: ring contents from a peer that shook hands rightly and then misbehaves. Of the offer's
// handles the first is the memory, the second the connecting side's end of the doorbell; its numbers are the
// sizes of region and ring.
#include <functional>

#include "hostile.hpp"
#include "raw_region.hpp"

namespace sluice_test {
namespace {

class HostileRegion : public HostileTest {};
INSTANTIATE_TEST_SUITE_P(Promise7, HostileRegion, testing::ValuesIn(strangers_with(sluice::Shape::region)), label_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HostileRegion);

constexpr const char* const kSmallLimitOption = "max_message=200000";

struct RegionAttack {
  const char* what;
  std::function<void(RawRegion&)> write;
};

std::vector<RegionAttack> region_attacks() {
  const auto at_zero = [](std::uint64_t header) { return [=](RawRegion& region) { region.header(0, header); }; };
  // An empty message behind which the next record is in slot 0, and there this one, with the turn of the first use.
  const auto at_home = [](std::uint64_t header) {
    return [=](RawRegion& region) {
      region.store(RawRegion::kHome, header | kRawTurn);
      region.header(0, raw_header(RawKind::data, 0, 0, kRawHome));
    };
  };
  return {
      {"kind 0 with a length", at_zero(raw_header(RawKind::none, 10))},
      {"kind 7", at_zero(raw_header(RawKind::seven, 10))},
      {"a turn", at_zero(raw_header(RawKind::data, 10, 0, kRawTurn))},
      {"the handles bit", at_zero(raw_header(RawKind::data, 10, 0, kRawHandles))},
      {"a filler at offset 0", at_zero(raw_header(RawKind::filler, 0))},
      {"a void of no whole units",
       [](RawRegion& region) {
         region.header(8, raw_header(RawKind::filler, 4));
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
      {"at home, longer than a slot", at_home(raw_header(RawKind::data, 1017))},
      {"at home, a void", at_home(raw_header(RawKind::filler, 8))},
      {"at home, a filler that leads home", at_home(raw_header(RawKind::filler, 0, 0, kRawHome))},
      {"at home, kind 0", at_home(raw_header(RawKind::none, 10))},
      {"a release position in the header beyond what was written", at_zero(raw_header(RawKind::data, 0, 0x1000000))},
      {"a release position in the line beyond what was written",
       [](RawRegion& region) { region.store32(RawRegion::kSecondConsumerLine, 0x1000000); }},
  };
}

TEST_P(HostileRegion, BrokenRecordsInARing) {
  auto& victim = listening_victim(kSmallLimitOption);
  const std::uint64_t memory = resident_bytes(victim.pid());
  const auto attacks = region_attacks();
  for (const auto& attack : attacks) {
    SCOPED_TRACE(attack.what);
    auto connected = connect_rightly(victim);
    ASSERT_EQ(connected.offer.files.size(), 2U);
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

TEST_P(HostileRegion, ARingThatIsScribbledOverAllTheTime) {
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
        // Mostly where it hurts: the lines, the home slots, and headers at the beginning of both rings.
        const std::uint64_t place = random.below(8);
        std::size_t offset = RawRegion::kConsumerLine + 8 * random.below(96);
        if (place == 2) offset = RawRegion::kHome + 8 * random.below(RawRegion::kHomes / 8);
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

TEST_P(HostileRegion, EndlessDoorbellsAndRecordsDontHoldACallBeyondItsDeadline) {
  constexpr std::uint64_t kMayGrow = std::uint64_t{16} << 20;  // the ring itself may have become memory of the victim
  auto& victim = listening_victim("capacity=65536");  // small, so that even a slow build takes more than lie in it at once
  const std::uint64_t memory = resident_bytes(victim.pid());
  for (const bool with_records : {false, true}) {
    auto connected = connect_rightly(victim);
    RawRegion region(connected.offer);
    std::uint64_t records = 0;
    const auto put = [&] {
      if (with_records) records += region.flood();
      region.ring();
    };
    EXPECT_FAILED(receive_in_a_flood(victim, put, kMayGrow), Errc::timed_out);
    if (with_records) {
      note("records", records);
      EXPECT_GT(records * RawRegion::kRecord, region.capacity());  // more than lie in the ring at once: the victim took them
    }
    EXPECT_DONE(victim.call("destroy"));
  }
  expect_unharmed(victim, memory, kMayGrow);
}

}  // namespace
}  // namespace sluice_test
