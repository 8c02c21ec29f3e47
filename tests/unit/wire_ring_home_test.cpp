// Small messages of which each is answered before the next: they go through the home slots. And the shortest way out of a ring.
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "unit/hex.hpp"
#include "unit/random.hpp"
#include "unit/ring_ends.hpp"

namespace {

using namespace sluice;
using namespace sluice::core;
using sluice_test::hex;
using sluice_test::kCapacity;
using sluice_test::kRing0;
using sluice_test::Random;
using sluice_test::Ring;
using sluice_test::to_hex;

constexpr std::size_t kSlot0 = 4096;
constexpr std::size_t kSlot1 = 5120;

// A ring whose producer hears what the consumer has released, as the headers of the other direction tell it.
struct AnsweredRing : Ring {
  void answer() { writer.note_released(reader.released_units()); }
  [[nodiscard]] std::string next() {
    const auto incoming = reader.take();
    if (!incoming) return std::string(name(incoming.error().code));
    return std::string(as_text(incoming->message.bytes()));
  }
  // One that is put, taken, let go, and answered.
  void exchange(std::string_view text) {
    ASSERT_TRUE(put(as_bytes(text)));
    ASSERT_EQ(next(), text);
    answer();
  }
  [[nodiscard]] std::string header_at(std::size_t place) const { return to_hex(at(place, 8)); }
};

TEST(RingHome, ExchangesAlternateBetweenTheSlots) {
  AnsweredRing ring;
  ring.exchange("one");
  EXPECT_EQ(ring.header_at(kRing0), to_hex(hex("03 00 00 04 | 00 00 00 00")));
  ring.exchange("two");
  EXPECT_EQ(ring.header_at(kRing0 + 16), to_hex(hex("03 00 00 44 | 00 00 00 00"))) << "the next one is at home";
  ring.exchange("three");
  EXPECT_EQ(to_hex(ring.at(kSlot0, 13)), to_hex(hex("05 00 00 c4 | 00 00 00 00 | 74 68 72 65 65")));
  EXPECT_EQ(ring.header_at(kSlot1), to_hex(hex("00 00 00 00 | 00 00 00 00")));
  ring.exchange("four");
  EXPECT_EQ(to_hex(ring.at(kSlot1, 12)), to_hex(hex("04 00 00 c4 | 00 00 00 00 | 66 6f 75 72")));
  EXPECT_EQ(ring.header_at(kSlot0), to_hex(hex("05 00 00 c4 | 00 00 00 00"))) << "as it was";
  ring.exchange("six");
  EXPECT_EQ(ring.header_at(kSlot0), to_hex(hex("03 00 00 44 | 00 00 00 00"))) << "its second use has no turn";
  ring.exchange("seven");
  EXPECT_EQ(ring.header_at(kSlot1), to_hex(hex("05 00 00 44 | 00 00 00 00")));
  ring.exchange("eight");
  EXPECT_EQ(ring.header_at(kSlot0), to_hex(hex("05 00 00 c4 | 00 00 00 00"))) << "its third use has one again";
  EXPECT_EQ(to_hex(ring.at(512, 4)), to_hex(hex("09 00 00 00"))) << "2 + 2 units, and one for each at home";
}

TEST(RingHome, WhatIsSentWithoutAnAnswerGoesOnInTheRing) {
  AnsweredRing ring;
  ring.exchange("one");
  ring.exchange("two");
  for (const std::string_view text : {"a", "b", "c"}) ASSERT_TRUE(ring.put(as_bytes(text)));
  EXPECT_EQ(ring.header_at(kSlot0), to_hex(hex("01 00 00 c4 | 00 00 00 00"))) << "everything before it was answered";
  EXPECT_EQ(ring.header_at(kSlot1), to_hex(hex("01 00 00 84 | 00 00 00 00"))) << "and before this one not";
  EXPECT_EQ(ring.header_at(kRing0 + 48), to_hex(hex("01 00 00 04 | 00 00 00 00"))) << "behind two units for those at home";
  for (const std::string_view text : {"a", "b", "c", "would_block"}) EXPECT_EQ(ring.next(), text);
}

TEST(RingHome, AFillerSaysThatALargeMessageIsInTheRing) {
  AnsweredRing ring;
  ring.exchange("one");
  ring.exchange("two");
  ASSERT_TRUE(ring.put(std::vector<std::byte>(1017), 7));
  EXPECT_EQ(ring.header_at(kSlot0), to_hex(hex("00 00 00 90 | 07 00 00 00")));
  EXPECT_EQ(ring.next().size(), 1017U);
  ring.answer();
  ring.exchange("three");
  ring.exchange(std::string(1016, 'x'));
  EXPECT_EQ(ring.header_at(kSlot1), to_hex(hex("f8 03 00 c4 | 00 00 00 00"))) << "the slot that was not used last";
}

TEST(RingHome, ALoanIsInTheRing) {
  AnsweredRing ring;
  ring.exchange("one");
  ring.exchange("two");
  const auto lent = ring.writer.lend(5, 0);
  ASSERT_TRUE(lent && *lent);
  EXPECT_EQ((*lent)->data(), ring.memory->data() + kRing0 + 32 + 8);
  std::ranges::copy(as_bytes("three"), (*lent)->begin());
  ASSERT_TRUE(ring.writer.commit(5, 0));
  EXPECT_EQ(ring.next(), "three");
}

TEST(RingHome, ControlRecordsPass) {
  AnsweredRing ring;
  ring.exchange("one");
  ring.exchange("two");
  ASSERT_TRUE(ring.writer.put_control({.word = Word::finish}, 0));
  ASSERT_TRUE(ring.writer.put_control({.word = Word::goodbye}, 0));
  EXPECT_EQ(ring.header_at(kSlot0), to_hex(hex("10 00 00 94 | 00 00 00 00")));
  for (const Word word : {Word::finish, Word::goodbye}) {
    const auto incoming = ring.reader.take();
    ASSERT_TRUE(incoming);
    EXPECT_EQ(incoming->control.word, word);
  }
}

TEST(RingHome, ABatchIsSeenAtOnce) {
  AnsweredRing ring;
  ring.exchange("one");
  ring.exchange("two");
  ring.writer.begin_batch();
  for (const std::string_view text : {"a", "b", "c"}) ASSERT_TRUE(ring.put(as_bytes(text)));
  EXPECT_EQ(ring.next(), "would_block");
  ring.writer.end_batch();
  for (const std::string_view text : {"a", "b", "c", "would_block"}) EXPECT_EQ(ring.next(), text);
}

// However long it is held, it takes no more of the ring than its unit.
TEST(RingHome, AMessageThatIsHeldTakesNoRoomOfOthers) {
  AnsweredRing ring;
  ring.exchange("one");
  ring.exchange("two");
  ASSERT_TRUE(ring.put(as_bytes("held")));
  const auto held = ring.reader.take();
  ASSERT_TRUE(held);
  EXPECT_EQ(held->message.bytes().data(), ring.memory->data() + kSlot0 + 8) << "a view";
  std::size_t sent = 0;
  while (ring.put(std::vector<std::byte>(1000))) ++sent;
  EXPECT_EQ(sent, 1 + kCapacity / 1008 - 1) << "one in the other slot, and as many as fit into the ring behind three units";
  for (std::size_t i = 0; i < sent; ++i) ASSERT_EQ(ring.next().size(), 1000U);
  EXPECT_EQ(as_text(held->message.bytes()), "held");
}

TEST(RingHome, ALapThatIsAtItsEndLeavesHome) {
  AnsweredRing ring;
  const std::size_t almost = kCapacity - 8 - 16;  // behind it: a header, and room for no unit more
  ring.exchange(std::string(almost / 4 - 8, 'a'));
  for (int i = 0; i < 2; ++i) ring.exchange(std::string(almost / 4 - 8, 'b'));
  ring.exchange(std::string(almost - 3 * (almost / 4) - 8 - 64, 'c'));
  // The first is in the ring, the next ones at home, until their units have reached the end of the lap.
  for (int i = 0; i < 6; ++i) ring.exchange("d");
  EXPECT_EQ(ring.header_at(kSlot1).substr(0, 11), to_hex(hex("01 00 00 44"))) << "the next one is looked for at home";
  ring.exchange("e");
  EXPECT_EQ(ring.header_at(kSlot1).substr(0, 11), to_hex(hex("00 00 00 90"))) << "and isn't there";
  EXPECT_EQ(ring.header_at(kRing0 + kCapacity - 8).substr(0, 11), to_hex(hex("00 00 00 10"))) << "for the lap has ended";
  for (int i = 0; i < 40; ++i) ring.exchange("f");
}

// Whatever is sent, held and answered: every message arrives as it was sent, in order, and stays as long as it is held.
TEST(RingHome, AnyMixtureArrivesAndStays) {
  Random random;
  for (int round = 0; round < 30; ++round) {
    AnsweredRing ring;
    std::deque<std::vector<std::byte>> on_the_way;
    std::vector<std::pair<Message, std::vector<std::byte>>> held;
    for (int step = 0; step < 3000; ++step) {
      const auto what = random.up_to(9);
      if (what < 4) {
        std::vector<std::byte> bytes(random.up_to(step % 100 < 70 ? 100 : 3000));
        for (auto& byte : bytes) byte = static_cast<std::byte>(random.up_to(255));
        const auto put = ring.put(bytes);
        if (put) {
          on_the_way.push_back(std::move(bytes));
        } else {
          ASSERT_EQ(put.error().code, Errc::would_block);
        }
      } else if (what < 7) {
        auto incoming = ring.reader.take();
        ASSERT_EQ(incoming.has_value(), !on_the_way.empty());
        if (!incoming) continue;
        ASSERT_TRUE(std::ranges::equal(incoming->message.bytes(), on_the_way.front()));
        if (random.up_to(5) == 0) held.emplace_back(std::move(incoming->message), std::move(on_the_way.front()));
        on_the_way.pop_front();
      } else if (what < 9) {
        ring.answer();
      } else if (!held.empty()) {
        const auto which = static_cast<std::ptrdiff_t>(random.up_to(held.size() - 1));
        ASSERT_TRUE(std::ranges::equal(held[static_cast<std::size_t>(which)].first.bytes(),
                                       held[static_cast<std::size_t>(which)].second));
        held.erase(held.begin() + which);
      }
    }
  }
}

TEST(RingHome, WhatNoPeerWritesThereIsAProtocolError) {
  for (const std::string_view bytes : {
           "f9 03 00 84 | 00 00 00 00",  // longer than a slot
           "ff ff ff 87 | 00 00 00 00",  // … by far
           "08 00 00 90 | 00 00 00 00",  // a void
           "00 00 00 d0 | 00 00 00 00",  // a filler that leads home: without end
           "00 00 00 b0 | 00 00 00 00",  // … that has handles
           "01 00 00 a4 | 00 00 00 00",  // handles, of which there are none here
           "05 00 00 80 | 01 00 00 00",  // kind 0
           "0f 00 00 94 | 00 00 00 00",  // a control record that is too short
       }) {
    AnsweredRing ring;
    ring.exchange("one");
    ring.exchange("two");
    ring.write(kSlot0, bytes);
    EXPECT_EQ(ring.next(), "protocol_error") << bytes;
  }
}

// What was in a slot before is still there, and is not taken twice; nor is anything that has the wrong turn.
TEST(RingHome, WhatHasTheTurnOfTheLastUseIsNotThere) {
  AnsweredRing ring;
  for (const std::string_view text : {"one", "two", "three", "four"}) ring.exchange(text);
  EXPECT_EQ(ring.next(), "would_block") << "of three in slot 0";
  EXPECT_FALSE(ring.reader.has_record());
  ring.write(kSlot0, "ff ff ff ff | ff ff ff ff");
  EXPECT_EQ(ring.next(), "would_block");
  EXPECT_FALSE(ring.reader.has_record());
  std::vector<std::byte> room(5);
  EXPECT_FALSE(ring.reader.take_plain(room));
  ring.exchange("five");
}

TEST(RingHome, AUnitThatLiesBehindTheLapIsAProtocolError) {
  Ring ring;
  ring.write(kRing0, "e8 ff 00 44 | 00 00 00 00");  // up to 16 bytes before the end, and home
  ASSERT_TRUE(ring.reader.take());
  ring.write(kSlot0, "00 00 00 c4 | 00 00 00 00");
  ASSERT_TRUE(ring.reader.take()) << "its unit, and a header behind it";
  ring.write(kSlot1, "00 00 00 c4 | 00 00 00 00");
  const auto incoming = ring.reader.take();
  ASSERT_FALSE(incoming);
  EXPECT_EQ(incoming.error().code, Errc::protocol_error);
}

// ---- the shortest way out ------------------------------------------------------------------------------------------------

TEST(RingPlain, AMessageThatFitsIsPutIntoTheRoomAndLetGo) {
  AnsweredRing ring;
  std::vector<std::byte> room(5);
  EXPECT_FALSE(ring.reader.take_plain(room)) << "nothing is there";
  ASSERT_TRUE(ring.put(as_bytes("hello"), 3));
  const auto taken = ring.reader.take_plain(room);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->size, 5U);
  EXPECT_EQ(taken->back, 3U);
  EXPECT_EQ(as_text(room), "hello");
  EXPECT_EQ(to_hex(ring.at(512, 4)), to_hex(hex("02 00 00 00")));
  ASSERT_TRUE(ring.put({}));
  const auto empty = ring.reader.take_plain({});
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->size, 0U);
}

TEST(RingPlain, EverythingElseIsLeftToTheOtherWay) {
  AnsweredRing ring;
  std::vector<std::byte> room(4);
  ASSERT_TRUE(ring.put(as_bytes("hello")));
  EXPECT_FALSE(ring.reader.take_plain(room)) << "too large";
  EXPECT_EQ(ring.next(), "hello");
  ASSERT_TRUE(ring.writer.put_control({.word = Word::finish}, 0));
  EXPECT_FALSE(ring.reader.take_plain(room)) << "a control record";
  ASSERT_TRUE(ring.reader.take());
  ring.write(kRing0 + 40, "f1 ff 00 04 | 00 00 00 00");
  room.resize(kCapacity);
  EXPECT_FALSE(ring.reader.take_plain(room)) << "beyond the ring";
  EXPECT_EQ(ring.next(), "protocol_error");
}

TEST(RingPlain, RoomBehindAHeldMessageIsGivenBackWithIt) {
  AnsweredRing ring;
  ASSERT_TRUE(ring.put(as_bytes("held")));
  ASSERT_TRUE(ring.put(as_bytes("plain")));
  std::optional<Incoming> held;
  {
    auto incoming = ring.reader.take();
    ASSERT_TRUE(incoming);
    held.emplace(*std::move(incoming));
  }
  std::vector<std::byte> room(5);
  ASSERT_TRUE(ring.reader.take_plain(room));
  EXPECT_EQ(to_hex(ring.at(512, 4)), to_hex(hex("00 00 00 00")));
  held.reset();
  EXPECT_EQ(to_hex(ring.at(512, 4)), to_hex(hex("04 00 00 00")));
}

TEST(RingPlain, AProducerThatWaitsForRoomIsRungWithTheCount) {
  AnsweredRing ring;
  ASSERT_TRUE(ring.put(as_bytes("a")));
  ring.writer.announce_room();
  std::vector<std::byte> room(1);
  ASSERT_TRUE(ring.reader.take_plain(room));
  ring.reader.note_taken(1);
  EXPECT_EQ(ring.listening->rings, 1U);
}

}  // namespace
