// Handles with the records of a stream: golden bytes both ways, as docs/protocol.md draws them, and hostile peers, after whom
// no descriptor is left.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/message_storage.hpp"
#include "core/stream_records.hpp"
#include "unit/fake_links.hpp"
#include "unit/hex.hpp"
#include "unit/os_support.hpp"

namespace {

using namespace sluice;
using namespace sluice::core;
using sluice::test::open_descriptors;
using sluice_test::FakeStream;
using sluice_test::hex;
using sluice_test::StreamWire;
using sluice_test::to_hex;
using sluice_test::WireHandles;

constexpr std::size_t kMaxMessage = 200'000;
constexpr std::size_t kMaxHandles = 4;

struct Stream {
  std::shared_ptr<StreamWire> wire = std::make_shared<StreamWire>();
  StreamRecords records{std::make_unique<FakeStream>(wire), kMaxMessage, kMaxHandles};

  void put(std::span<const std::byte> bytes, std::span<const Handle> handles) {
    OutgoingMessage message{{&bytes, 1}, handles};
    while (true) {
      const auto put = records.put(message, 7);
      ASSERT_TRUE(put);
      if (*put) return;
    }
  }
  // `count` descriptors come with the byte at that offset.
  void expect_handles(std::size_t at, std::size_t count) const {
    WireHandles handles{at, {}};
    for (std::size_t i = 0; i < count; ++i) handles.natives.push_back(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
    wire->incoming_handles.push_back(std::move(handles));
  }
};

// What a hostile peer's stream ended with; every handle that came is closed by then.
struct Attack {
  const char* what;
  std::string_view bytes;
  std::vector<std::pair<std::size_t, std::size_t>> handles;  // with which byte, how many
};

constexpr std::string_view kWithTwo = "0d 00 00 24 | 07 00 00 00 | 02 00 00 00 00 00 00 00 | 68 65 6c 6c 6f";  // data "hello"
constexpr std::string_view kPlain = "05 00 00 04 | 07 00 00 00 | 68 65 6c 6c 6f";
constexpr std::string_view kAsk = "10 00 00 14 | 08 00 00 00 | 10 00 00 00 | 02 00 00 00 | 00 00 00 00 00 00 00 00";

TEST(StreamHandles, TheirNumberStandsBehindTheHeaderAndTheyGoWithItsFirstByte) {
  Stream stream;
  const std::array handles{Handle{::dup(STDERR_FILENO)}, Handle{::dup(STDERR_FILENO)}};
  stream.put(as_bytes("hello"), handles);
  stream.put({}, std::span{handles}.first(1));
  EXPECT_EQ(to_hex(stream.wire->outgoing), to_hex(hex("0d 00 00 24 | 07 00 00 00 | 02 00 00 00 00 00 00 00 | 68 65 6c 6c 6f"
                                                      "08 00 00 24 | 07 00 00 00 | 01 00 00 00 00 00 00 00")));
  EXPECT_EQ(stream.wire->outgoing_handles,
            (std::vector<WireHandles>{{0, {handles[0].native(), handles[1].native()}}, {21, {handles[0].native()}}}));
}

TEST(StreamHandles, OnlyTheFirstPieceCarriesThemAndIsNoLongerThanOthers) {
  Stream stream;
  const Handle handle{::dup(STDERR_FILENO)};
  stream.put(std::vector<std::byte>(65'529), {&handle, 1});  // one byte too many for a record
  const auto& out = stream.wire->outgoing;
  ASSERT_EQ(out.size(), 8 + 65'536U + 8 + 1);
  EXPECT_EQ(to_hex(std::span{out}.first(16)), to_hex(hex("00 00 01 28 | 07 00 00 00 | 01 00 00 00 00 00 00 00")));
  EXPECT_EQ(to_hex(std::span{out}.subspan(65'544, 8)), to_hex(hex("01 00 00 0c | 07 00 00 00")));
  EXPECT_EQ(stream.wire->outgoing_handles.size(), 1U);
  Stream fits;
  fits.put(std::vector<std::byte>(65'528), {&handle, 1});
  EXPECT_EQ(to_hex(std::span{fits.wire->outgoing}.first(4)), to_hex(hex("00 00 01 24")));
}

TEST(StreamHandles, GoOnceHoweverLittleTheLinkTakes) {
  const Handle handle{::dup(STDERR_FILENO)};
  for (const std::size_t chunk : {std::size_t{1}, std::size_t{8}, std::size_t{15}, std::size_t{16}}) {
    Stream stream;
    stream.wire->chunk = chunk;
    stream.put(as_bytes("hello"), {&handle, 1});
    ASSERT_EQ(stream.wire->outgoing_handles.size(), 1U);
    EXPECT_EQ(stream.wire->outgoing_handles[0].at, 0U);
    EXPECT_EQ(stream.wire->outgoing.size(), 21U);
  }
}

TEST(StreamHandles, AMessageForWhichThereIsNoRoomHasLeftNoHandleBehind) {
  Stream stream;
  stream.wire->room = 0;
  const Handle handle{::dup(STDERR_FILENO)};
  const Bytes bytes = as_bytes("hello");
  OutgoingMessage message{{&bytes, 1}, {&handle, 1}};
  ASSERT_FALSE(stream.records.put(message, 7));
  EXPECT_FALSE(message.started());
  stream.wire->room = 100;
  stream.put(as_bytes("other"), {});
  EXPECT_TRUE(stream.wire->outgoing_handles.empty());
  EXPECT_EQ(to_hex(stream.wire->outgoing), to_hex(hex("05 00 00 04 | 07 00 00 00 | 6f 74 68 65 72")));
}

TEST(StreamHandles, ComeWithTheirMessageInChunksOfAnySize) {
  const auto before = open_descriptors();
  for (std::size_t chunk = 1; chunk < 120; ++chunk) {
    Stream stream;
    stream.wire->chunk = chunk;
    // plain, with 2, a control record, with 2 and with 2 again, plain
    for (const auto part : {kPlain, kWithTwo, kAsk, kWithTwo, kWithTwo, kPlain}) {
      const auto bytes = hex(part);
      if (part == kWithTwo) stream.expect_handles(stream.wire->incoming.size(), 2);
      stream.wire->incoming.insert(stream.wire->incoming.end(), bytes.begin(), bytes.end());
    }
    stream.wire->ends = true;
    std::vector<std::size_t> counts;
    while (true) {
      auto incoming = stream.records.take();
      ASSERT_TRUE(incoming) << chunk;
      if (incoming->what == Incoming::What::end) break;
      if (incoming->what != Incoming::What::message) continue;
      ASSERT_EQ(as_text(incoming->message.bytes()), "hello");
      EXPECT_TRUE(incoming->message.handles().empty()) << "not the caller's yet";
      const std::size_t count = MessageStorage::count_handles(incoming->message);
      MessageStorage::hand_over(incoming->message);
      ASSERT_EQ(incoming->message.handles().size(), count);
      for (const auto& handle : incoming->message.handles()) EXPECT_TRUE(handle);
      counts.push_back(count);
    }
    EXPECT_EQ(counts, (std::vector<std::size_t>{0, 2, 2, 2, 0})) << chunk;
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(StreamHandles, AnEmptyMessageHasThemToo) {
  Stream stream;
  stream.wire->incoming = hex("08 00 00 24 | 07 00 00 00 | 01 00 00 00 00 00 00 00");
  stream.expect_handles(0, 1);
  auto incoming = stream.records.take();
  ASSERT_TRUE(incoming);
  EXPECT_TRUE(incoming->message.bytes().empty());
  EXPECT_EQ(MessageStorage::count_handles(incoming->message), 1U);
}

// Reads until the end or an error: which.
std::optional<Errc> end_of(StreamRecords& records) {
  for (int i = 0; i < 1000; ++i) {
    const auto incoming = records.take();
    if (!incoming) return incoming.error().code;
    if (incoming->what == Incoming::What::end) return std::nullopt;
  }
  ADD_FAILURE() << "more records than bytes";
  return std::nullopt;
}

TEST(StreamHandles, WhatNoPeerSendsIsAProtocolErrorAndLeavesNothingOpen) {
  const std::vector<Attack> attacks{
      {"a flagged record without handles", kWithTwo, {}},
      {"fewer than it says", kWithTwo, {{0, 1}}},
      {"more than it says", kWithTwo, {{0, 3}}},
      {"none", "0d 00 00 24 | 07 00 00 00 | 00 00 00 00 00 00 00 00 | 68 65 6c 6c 6f", {}},
      {"more than we accept", "0d 00 00 24 | 07 00 00 00 | 05 00 00 00 00 00 00 00 | 68 65 6c 6c 6f", {{0, 5}}},
      {"no zeros", "0d 00 00 24 | 07 00 00 00 | 02 00 00 00 01 00 00 00 | 68 65 6c 6c 6f", {{0, 2}}},
      {"no room for their number", "07 00 00 24 | 07 00 00 00 | 02 00 00 00 00 00 00", {{0, 2}}},
      {"an empty piece", "08 00 00 28 | 07 00 00 00 | 02 00 00 00 00 00 00 00", {{0, 2}}},
      {"a control record with them", "18 00 00 34 | 00 00 00 00 | 01 00 00 00 00 00 00 00 | 10 00 00 00 02 00 00 00", {{0, 1}}},
      {"a last piece with them",
       "01 00 00 08 | 00 00 00 00 | 61 | 09 00 00 2c | 00 00 00 00 | 01 00 00 00 00 00 00 00 | 62",
       {{9, 1}}},
      {"a second piece with them",
       "01 00 00 08 | 00 00 00 00 | 61 | 09 00 00 28 | 00 00 00 00 | 01 00 00 00 00 00 00 00 | 62",
       {{9, 1}}},
      {"with a record that isn't flagged", kPlain, {{0, 1}}},
      {"within its header", kPlain, {{3, 1}}},
      {"within its payload", kPlain, {{9, 1}}},
      {"with a control record", kAsk, {{0, 1}}},
      {"within a control record", kAsk, {{12, 1}}},
      {"with every byte of a header", kWithTwo, {{0, 2}, {1, 1}, {2, 1}, {3, 1}, {4, 1}}},
  };
  const auto before = open_descriptors();
  for (const auto& attack : attacks) {
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{1000}}) {
      Stream stream;
      stream.wire->incoming = hex(attack.bytes);
      stream.wire->ends = true;
      stream.wire->chunk = chunk;
      for (const auto& [at, count] : attack.handles) stream.expect_handles(at, count);
      EXPECT_EQ(end_of(stream.records), Errc::protocol_error) << attack.what << ", " << chunk;
      // What was not read the system would close with the link.
      for (const auto& rest : std::span{stream.wire->incoming_handles}.subspan(stream.wire->handles_taken))
        for (const auto native : rest.natives) ::close(static_cast<int>(native));
    }
    EXPECT_EQ(open_descriptors(), before) << attack.what;
  }
}

TEST(StreamHandles, AnEndThatAcceptsNoneRefusesTheFlag) {
  const auto wire = std::make_shared<StreamWire>();
  StreamRecords records{std::make_unique<FakeStream>(wire), kMaxMessage, 0};
  wire->incoming = hex(kWithTwo);
  EXPECT_EQ(end_of(records), Errc::protocol_error);
}

TEST(StreamHandles, ThoseThatCouldNotBeOpenedEndTheStreamBehindWhatCameBefore) {
  Stream stream;
  for (const auto part : {kPlain, kWithTwo}) {
    const auto bytes = hex(part);
    stream.wire->incoming.insert(stream.wire->incoming.end(), bytes.begin(), bytes.end());
  }
  stream.wire->incoming_handles.push_back({hex(kPlain).size(), {links::Descriptor::kNone}});
  const auto first = stream.records.take();
  ASSERT_TRUE(first);
  EXPECT_EQ(as_text(first->message.bytes()), "hello");
  EXPECT_EQ(end_of(stream.records), Errc::limit_reached);
}

TEST(StreamHandles, WhoDiscardsThemOpensNone) {
  const auto before = open_descriptors();
  Stream stream;
  stream.wire->incoming = hex(kWithTwo);
  stream.expect_handles(0, 2);
  stream.wire->ends = true;
  stream.records.discard_handles();
  const auto incoming = stream.records.take();
  ASSERT_TRUE(incoming);
  EXPECT_EQ(as_text(incoming->message.bytes()), "hello");
  EXPECT_EQ(MessageStorage::count_handles(incoming->message), 0U);
  EXPECT_EQ(end_of(stream.records), std::nullopt);
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
