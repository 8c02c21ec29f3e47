// Foreign framings on the wire: golden bytes both ways, as docs/protocol.md draws them, and hostile ones.
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/error_sentences.hpp"
#include "core/foreign_records.hpp"
#include "core/framing.hpp"
#include "core/handshake.hpp"
#include "unit/fake_links.hpp"
#include "unit/hex.hpp"
#include "unit/random.hpp"

namespace {

using namespace sluice;
using namespace sluice::core;
using sluice_test::FakeStream;
using sluice_test::hex;
using sluice_test::Random;
using sluice_test::StreamWire;
using sluice_test::to_hex;

constexpr std::size_t kMaxMessage = 200'000;

struct Stream {
  explicit Stream(Framing framing, std::size_t max_message = kMaxMessage)
      : records(std::make_unique<FakeStream>(wire), framing, max_message) {}

  std::shared_ptr<StreamWire> wire = std::make_shared<StreamWire>();
  ForeignRecords records;

  Result<bool> put(std::span<const std::byte> bytes) {
    OutgoingMessage message{{&bytes, 1}};
    return records.put(message, 0);
  }
  Result<bool> put(std::string_view text) { return put(as_bytes(text)); }
};

// The messages "hi", "" and "a b" in each framing.
struct Golden {
  Framing framing;
  std::string_view bytes;
};
const std::vector<Golden> kGolden{
    {Framing::line, "68 69 0a | 0a | 61 20 62 0a"},
    {Framing::nul, "68 69 00 | 00 | 61 20 62 00"},
    {Framing::u16be, "00 02 | 68 69 | 00 00 | 00 03 | 61 20 62"},
    {Framing::u16le, "02 00 | 68 69 | 00 00 | 03 00 | 61 20 62"},
    {Framing::u32be, "00 00 00 02 | 68 69 | 00 00 00 00 | 00 00 00 03 | 61 20 62"},
    {Framing::u32le, "02 00 00 00 | 68 69 | 00 00 00 00 | 03 00 00 00 | 61 20 62"},
};

// What is read until would_block, an end, or an error.
struct Outcome {
  std::vector<std::string> messages;
  std::string end;  // "would_block", "closed", "died", or the name of a code

  friend bool operator==(const Outcome&, const Outcome&) = default;
};
Outcome take_all(ForeignRecords& records) {
  Outcome outcome;
  while (true) {
    auto incoming = records.take();
    if (!incoming) {
      outcome.end = name(incoming.error().code);
      return outcome;
    }
    switch (incoming->what) {
      case Incoming::What::message:
        outcome.messages.emplace_back(as_text(incoming->message.bytes()));
        break;
      case Incoming::What::control:
        EXPECT_EQ(incoming->control.word, Word::finish);
        outcome.end = "closed";
        return outcome;
      case Incoming::What::end:
        outcome.end = "died";
        return outcome;
      case Incoming::What::more:
        break;
    }
  }
}

Outcome read(Framing framing, std::span<const std::byte> bytes, std::size_t chunk = SIZE_MAX, bool ends = true,
             std::size_t max_message = kMaxMessage, bool was_reset = false) {
  Stream stream{framing, max_message};
  stream.wire->incoming.assign(bytes.begin(), bytes.end());
  stream.wire->chunk = chunk;
  stream.wire->ends = ends;
  stream.wire->was_reset = was_reset;
  return take_all(stream.records);
}
Outcome read(Framing framing, std::string_view text) { return read(framing, as_bytes(text)); }

TEST(Framing, EachHasItsRowAndItsName) {
  for (const auto& row : kFramings) {
    EXPECT_EQ(framing_named(row.name), row.framing);
    EXPECT_NE(describe({Errc::invalid_endpoint, Step::check_options, 0, 0, 0}).find(row.name), std::string::npos)
        << "the error lists all that can be written";
  }
  EXPECT_FALSE(framing_named("lines"));
  EXPECT_FALSE(framing_named(""));
  EXPECT_EQ(largest_message(Framing::u16be), 65'535U);
  EXPECT_EQ(largest_message(Framing::u32le), 4'294'967'295U);
  EXPECT_EQ(largest_message(Framing::line), SIZE_MAX);
}

TEST(Framing, WritesTheGoldenBytes) {
  for (const auto& golden : kGolden) {
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{2}, SIZE_MAX}) {
      Stream stream{golden.framing};
      stream.wire->chunk = chunk;
      for (const std::string_view text : {"hi", "", "a b"}) EXPECT_TRUE(stream.put(text).value_or(false));
      EXPECT_EQ(to_hex(stream.wire->outgoing), to_hex(hex(golden.bytes))) << row_of(golden.framing).name;
    }
  }
}

TEST(Framing, ReadsTheGoldenBytesHoweverTheyAreCut) {
  for (const auto& golden : kGolden) {
    const auto bytes = hex(golden.bytes);
    const Outcome expected{{"hi", "", "a b"}, "closed"};
    for (std::size_t chunk = 1; chunk <= bytes.size(); ++chunk) {
      EXPECT_EQ(read(golden.framing, bytes, chunk), expected) << row_of(golden.framing).name << " by " << chunk;
    }
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      Stream stream{golden.framing};
      stream.wire->incoming.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut));
      auto outcome = take_all(stream.records);
      EXPECT_EQ(outcome.end, "would_block");
      stream.wire->incoming = bytes;
      stream.wire->ends = true;
      const auto rest = take_all(stream.records);
      outcome.messages.insert(outcome.messages.end(), rest.messages.begin(), rest.messages.end());
      EXPECT_EQ(outcome.messages, expected.messages) << row_of(golden.framing).name << " cut at " << cut;
      EXPECT_EQ(rest.end, "closed");
    }
  }
}

TEST(Framing, ASizeIsReadInItsByteOrder) {
  const std::string large(0x0102, 'x');
  EXPECT_EQ(read(Framing::u16be, std::string{"\x01\x02", 2} + large).messages, std::vector{large});
  EXPECT_EQ(read(Framing::u16le, std::string{"\x02\x01", 2} + large).messages, std::vector{large});
  EXPECT_EQ(read(Framing::u32be, std::string{"\x00\x00\x01\x02", 4} + large).messages, std::vector{large});
  EXPECT_EQ(read(Framing::u32le, std::string{"\x02\x01\x00\x00", 4} + large).messages, std::vector{large});
}

TEST(Framing, InRawEachReadIsAMessage) {
  Stream stream{Framing::raw};
  EXPECT_TRUE(stream.put("any\0bytes\n").value_or(false));
  EXPECT_EQ(as_text(stream.wire->outgoing), "any");
  EXPECT_EQ(read(Framing::raw, as_bytes("abcde"), 2), (Outcome{{"ab", "cd", "e"}, "closed"}));
  const std::vector<std::byte> large(kMaxRawMessage + 1);
  const auto outcome = read(Framing::raw, large);
  ASSERT_EQ(outcome.messages.size(), 2U);
  EXPECT_EQ(outcome.messages[0].size(), kMaxRawMessage);
  EXPECT_EQ(read(Framing::raw, as_bytes("abcde"), SIZE_MAX, true, 3), (Outcome{{"abc", "de"}, "closed"})) << "max_message";
}

TEST(Framing, TheEndInsideAMessageIsADeathUnlessItsDelimiterWasAllThatWasMissing) {
  EXPECT_EQ(read(Framing::line, "one\ntwo"), (Outcome{{"one", "two"}, "closed"}));
  EXPECT_EQ(read(Framing::line, "one\n"), (Outcome{{"one"}, "closed"}));
  EXPECT_EQ(read(Framing::line, "with\r\n"), (Outcome{{"with\r"}, "closed"})) << "the bytes are the user's";
  EXPECT_EQ(read(Framing::nul, std::string_view{"one\0two", 7}), (Outcome{{"one", "two"}, "closed"}));
  for (const auto& golden : kGolden) {
    EXPECT_EQ(read(golden.framing, ""), (Outcome{{}, "closed"}));
    if (row_of(golden.framing).prefix == 0) continue;
    const auto bytes = hex(golden.bytes);
    for (std::size_t size = bytes.size() - 1; size > bytes.size() - 4; --size)
      EXPECT_EQ(read(golden.framing, std::span{bytes}.first(size)).end, "died") << row_of(golden.framing).name << ' ' << size;
  }
}

TEST(Framing, AResetIsADeathWhereverItComes) {
  for (const auto& golden : kGolden) {
    const auto bytes = hex(golden.bytes);
    EXPECT_EQ(read(golden.framing, bytes, SIZE_MAX, true, kMaxMessage, true), (Outcome{{"hi", "", "a b"}, "died"}));
  }
  EXPECT_EQ(read(Framing::line, as_bytes("one\nha"), SIZE_MAX, true, kMaxMessage, true), (Outcome{{"one"}, "died"}));
}

TEST(Framing, TheEndIsToldOnce) {
  Stream stream{Framing::line};
  stream.wire->ends = true;
  EXPECT_EQ(take_all(stream.records).end, "closed");
  EXPECT_EQ(take_all(stream.records).end, "would_block");
}

TEST(Framing, WhatItCannotSayIsRefusedAndNothingIsWritten) {
  Stream lines{Framing::line};
  auto put = lines.put("two\nlines");
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, Errc::misuse);
  EXPECT_EQ(put.error().first, 3);
  EXPECT_EQ(put.error().second, 9);
  EXPECT_NE(describe(put.error()).find("at byte 3 of 9"), std::string::npos);
  EXPECT_TRUE(lines.wire->outgoing.empty());
  EXPECT_TRUE(lines.put(std::string_view{"no\0thing", 8}).value_or(false)) << "the next one goes";

  Stream nul{Framing::nul};
  EXPECT_FALSE(nul.put(std::string_view{"no\0thing", 8}));
  EXPECT_TRUE(nul.put("two\nlines").value_or(false));

  Stream raw{Framing::raw};
  put = raw.put("");
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, Errc::misuse);
  EXPECT_NE(describe(put.error()).find("empty"), std::string::npos);

  // In any of its places.
  const std::vector<Bytes> places{as_bytes("one"), as_bytes(""), as_bytes("tw\no")};
  const auto refusal = refusal_of(Framing::line, places);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->first, 5);
  EXPECT_FALSE(refusal_of(Framing::u32le, places));
}

TEST(Framing, AMessageBeyondTheLimitIsAProtocolErrorAsSoonAsThatIsKnown) {
  constexpr std::size_t kLimit = 10;
  for (const std::string_view bytes : {"00 0b", "00 0b | 61"})
    EXPECT_EQ(read(Framing::u16be, hex(bytes), SIZE_MAX, false, kLimit).end, "protocol_error");
  EXPECT_EQ(read(Framing::u32le, hex("ff ff ff ff"), SIZE_MAX, false, kLimit).end, "protocol_error");
  EXPECT_EQ(read(Framing::u32be, hex("80 00 00 00"), SIZE_MAX, false, kLimit).end, "protocol_error");
  EXPECT_EQ(read(Framing::line, as_bytes("0123456789\n"), 3, false, kLimit), (Outcome{{"0123456789"}, "would_block"}));
  for (const std::size_t chunk : {std::size_t{1}, SIZE_MAX})
    EXPECT_EQ(read(Framing::line, as_bytes("0123456789a"), chunk, false, kLimit).end, "protocol_error") << "no end is near";
}

Errc code_of_control(Stream& stream) {
  const auto put = stream.records.put_control({.word = Word::finish}, 0);
  return put ? Errc{} : put.error().code;
}

TEST(Framing, HalfAMessageStaysBegunUntilItsTailHasGone) {
  for (const Framing framing : {Framing::line, Framing::u32be}) {
    const std::string whole = framing == Framing::line ? "hello\n" : std::string{"\0\0\0\x05hello", 9};
    for (std::size_t room = 0; room < whole.size(); ++room) {
      Stream stream{framing};
      stream.wire->room = room;
      const Bytes bytes = as_bytes("hello");
      OutgoingMessage message{{&bytes, 1}};
      auto put = stream.records.put(message, 0);
      ASSERT_FALSE(put);
      EXPECT_EQ(put.error().code, Errc::would_block);
      EXPECT_EQ(message.started(), room != 0);
      EXPECT_EQ(code_of_control(stream), room == 0 ? Errc{} : Errc::would_block) << "no end inside a message";
      stream.wire->room = SIZE_MAX;
      if (room == 0) continue;  // the stream is finished now
      Tail tail;
      ASSERT_TRUE(tail.keep(message));
      put = stream.records.put(tail.outgoing(), 0);
      EXPECT_TRUE(put && *put);
      EXPECT_EQ(as_text(stream.wire->outgoing), whole) << room;
      EXPECT_TRUE(stream.records.put_control({.word = Word::goodbye}, 0));
      EXPECT_TRUE(stream.wire->finished);
    }
  }
}

struct Met {
  std::shared_ptr<StreamWire> wire = std::make_shared<StreamWire>();
  links::Row row{"fake", "", "", "", links::Meet::accept, Reach::this_process, {}, ""};
  std::optional<Handshake> handshake;

  Met(Handshake::Role role, std::function<Result<Peer>()> vouch_again, const Result<void>& vouched = {}) {
    wire->carries_handles = true;
    links::Meeting meeting;
    meeting.link = std::make_unique<FakeStream>(wire);
    meeting.tether = std::make_unique<links::NoTether>();
    meeting.vouched = vouched;
    meeting.vouch_again = std::move(vouch_again);
    Limits limits;
    limits.max_message = 100'000;
    limits.framing = Framing::u16le;
    handshake.emplace(role, std::move(meeting), row, limits);
  }
};

TEST(Framing, NothingIsSaidInTheHandshake) {
  for (const auto role : {Handshake::Role::connecting, Handshake::Role::listening}) {
    Met met{role, {}};
    const auto established = met.handshake->step();
    ASSERT_TRUE(established);
    EXPECT_TRUE(met.wire->outgoing.empty());
    EXPECT_EQ(established->framing, Framing::u16le);
    EXPECT_EQ(established->traits.framing, "u16le");
    EXPECT_FALSE(established->traits.handles);
    EXPECT_EQ(established->max_incoming, 100'000U);
    EXPECT_EQ(established->max_outgoing, 65'535U);
    EXPECT_EQ(established->traits.max_message, 65'535U);
  }
}

TEST(Framing, WhoIsNotVouchedForIsRefusedWithoutAWord) {
  Met met{Handshake::Role::listening, {}, Error{Errc::access_denied, Step::identify_peer, 0, 1, 2}};
  const auto refused = met.handshake->step();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::access_denied);
  EXPECT_TRUE(met.wire->outgoing.empty());
}

TEST(Framing, WhoIsNotKnownYetIsAskedForUntilHeIs) {
  Result<Peer> answer = Error{Errc::would_block, Step::identify_peer, 0, 0, 0};
  Met met{Handshake::Role::connecting, [&] { return answer; }};
  for (int round = 0; round < 3; ++round) {
    const auto waits = met.handshake->step();
    ASSERT_FALSE(waits);
    EXPECT_EQ(waits.error().code, Errc::would_block);
  }
  Peer peer;
  peer.user_id = 7;
  answer = peer;
  const auto established = met.handshake->step();
  ASSERT_TRUE(established);
  EXPECT_EQ(established->peer.user_id, 7);
}

TEST(Framing, RandomMessagesComeBackThroughAnyChunks) {
  Random random;
  for (int round = 0; round < 40; ++round) {
    const auto& golden = kGolden[random.up_to(kGolden.size() - 1)];
    const auto delimiter = row_of(golden.framing).delimiter;
    Stream out{golden.framing};
    out.wire->chunk = 1 + random.up_to(50'000);
    std::vector<std::string> messages;
    for (int i = 0; i < 5; ++i) {
      auto bytes =
          random.bytes(random.up_to(random.up_to(1) != 0 ? 100 : std::min(kMaxMessage, largest_message(golden.framing))));
      if (delimiter) std::ranges::replace(bytes, *delimiter, std::byte{'x'});
      messages.emplace_back(as_text(bytes));
      ASSERT_TRUE(out.put(bytes).value_or(false));
    }
    EXPECT_EQ(read(golden.framing, out.wire->outgoing, 1 + random.up_to(100'000)), (Outcome{messages, "closed"}));
  }
}

}  // namespace
