// The contract of StreamLink (links/stream_link.hpp), for every implementation.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <thread>

#include "unit/links_pair.hpp"
#include "unit/waitables.hpp"

namespace sluice::inline v0::test {
namespace {

using Bytes = std::span<const std::byte>;

class StreamContract : public testing::TestWithParam<Subject> {
 protected:
  void SetUp() override {
    auto met = meet(GetParam());
    ASSERT_TRUE(is_ok(met));
    ends_ = *std::move(met);
  }
  [[nodiscard]] links::StreamLink& near() const { return ends_.connecting.stream(); }
  [[nodiscard]] links::StreamLink& far() const { return ends_.listening.stream(); }
  void drop_far() { ends_.listening = End{}; }

  Ends ends_;
};

Result<std::size_t> write_once(links::StreamLink& link, Bytes bytes) { return link.write(std::span{&bytes, 1}); }
Result<std::size_t> read_once(links::StreamLink& link, std::span<std::byte> room) { return link.read(std::span{&room, 1}); }

// All of it, waiting in between.
Result<void> write_all(links::StreamLink& link, Bytes bytes) {
  while (!bytes.empty()) {
    const auto written = write_once(link, bytes);
    if (written) {
      bytes = bytes.subspan(*written);
    } else if (written.error().code != Errc::would_block) {
      return written.error();
    } else if (!becomes_writable(link.outgoing())) {
      return Errc::timed_out;
    }
  }
  return {};
}

// `size` bytes, or fewer where the stream ends, waiting in between.
Result<std::vector<std::byte>> read_up_to(links::StreamLink& link, std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::size_t have = 0;
  while (have < size) {
    const auto read = read_once(link, std::span{bytes}.subspan(have));
    if (read && *read == 0) break;
    if (read) {
      have += *read;
    } else if (read.error().code != Errc::would_block) {
      return read.error();
    } else if (!becomes_readable(link.incoming())) {
      return Errc::timed_out;
    }
  }
  bytes.resize(have);
  return bytes;
}

constexpr std::size_t kMoreThanALinkHolds = std::size_t{16} << 20;  // of TCP the sending side alone 4 MiB (tcp_wmem, tcp(7))

// Writes until the link, outbox and all, takes no more: what was written, at most `limit`.
std::vector<std::byte> fill(links::StreamLink& link, std::size_t limit = kMoreThanALinkHolds) {
  const auto bytes = pattern(limit);
  std::size_t gone = 0;
  bool is_last_try = false;  // a courier may have made room since the write before it
  while (gone < bytes.size()) {
    const auto written = write_once(link, Bytes{bytes}.subspan(gone));
    if (written) {
      gone += *written;
      is_last_try = false;
    } else if (is_last_try) {
      break;
    } else {
      is_last_try = stays_unwritable(link.outgoing());
    }
  }
  return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(gone)};
}

TEST_P(StreamContract, ReadingWhereNothingIsWouldBlock) {
  std::array<std::byte, 8> room{};
  EXPECT_TRUE(fails_with(Errc::would_block, read_once(near(), room)));
  EXPECT_TRUE(fails_with(Errc::would_block, read_once(far(), room)));
  EXPECT_TRUE(stays_unreadable(near().incoming()));
  EXPECT_TRUE(becomes_writable(near().outgoing()));
  EXPECT_FALSE(near().pending());
}

TEST_P(StreamContract, BytesArriveInOrderEitherWay) {
  for (const auto& [from, to] : {std::pair{&near(), &far()}, std::pair{&far(), &near()}}) {
    const auto sent = pattern(1000);
    std::thread writer([&, link = from] { EXPECT_TRUE(is_ok(write_all(*link, sent))); });
    const auto received = read_up_to(*to, sent.size());
    writer.join();
    ASSERT_TRUE(is_ok(received));
    EXPECT_EQ(*received, sent);
  }
}

TEST_P(StreamContract, BuffersAreGatheredAndRoomsFilledInOrder) {
  const auto sent = pattern(30);
  std::size_t gone = 0;
  std::vector<std::byte> received;
  while (received.size() < sent.size()) {
    const Bytes rest = Bytes{sent}.subspan(gone);
    const std::size_t third = rest.size() / 3;
    const std::array buffers{rest.first(third), Bytes{}, rest.subspan(third)};
    if (!rest.empty()) {
      const auto written = near().write(buffers);
      if (!written) {
        ASSERT_TRUE(fails_with(Errc::would_block, written));
        ASSERT_TRUE(becomes_writable(near().outgoing()));
        continue;
      }
      gone += *written;
    }
    if (!becomes_readable(far().incoming())) FAIL() << "nothing arrives";
    std::array<std::byte, 3> small{};
    std::array<std::byte, 64> large{};
    const std::array<std::span<std::byte>, 2> rooms{small, large};
    const auto read = far().read(rooms);
    ASSERT_TRUE(is_ok(read));
    ASSERT_GE(*read, 1U);
    const std::size_t in_small = std::min(*read, small.size());
    received.insert(received.end(), small.begin(), small.begin() + static_cast<std::ptrdiff_t>(in_small));
    received.insert(received.end(), large.begin(), large.begin() + static_cast<std::ptrdiff_t>(*read - in_small));
  }
  EXPECT_EQ(received, sent);
}

TEST_P(StreamContract, AWriteOfNothingIsNoError) {
  const auto written = near().write(std::array{Bytes{}, Bytes{}});
  ASSERT_TRUE(is_ok(written));
  EXPECT_EQ(*written, 0U);
  EXPECT_TRUE(stays_unreadable(far().incoming()));
}

TEST_P(StreamContract, NothingOfTheCallersMemoryIsKept) {
  auto bytes = pattern(64);
  const auto sent = bytes;
  std::size_t gone = 0;
  std::vector<std::byte> received;
  while (gone < bytes.size()) {
    const auto written = write_once(near(), Bytes{bytes}.subspan(gone));
    if (written) {
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(gone), *written, std::byte{0});
      gone += *written;
    }
    std::array<std::byte, 64> room{};
    const auto read = read_once(far(), room);
    if (read) received.insert(received.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(*read));
  }
  const auto rest = read_up_to(far(), sent.size() - received.size());
  ASSERT_TRUE(is_ok(rest));
  received.insert(received.end(), rest->begin(), rest->end());
  EXPECT_EQ(received, sent);
}

TEST_P(StreamContract, AFullLinkWouldBlockUntilItIsRead) {
  const auto sent = fill(near());
  // That ended with a link which was not writable, and took nothing. It may take a little more later: TCP probes a full window.
  ASSERT_LT(sent.size(), kMoreThanALinkHolds) << "the link has no bound";
  const auto received = read_up_to(far(), sent.size());
  ASSERT_TRUE(is_ok(received));
  EXPECT_EQ(*received, sent);
  EXPECT_TRUE(becomes_writable(near().outgoing()));
  EXPECT_TRUE(is_ok(write_once(near(), pattern(1))));
}

TEST_P(StreamContract, ReadinessIsLevelTriggeredForSeveralWaiters) {
  ASSERT_TRUE(is_ok(write_all(near(), pattern(1))));
  std::thread other([&] { EXPECT_TRUE(becomes_readable(far().incoming())); });
  EXPECT_TRUE(becomes_readable(far().incoming()));
  other.join();
  EXPECT_TRUE(becomes_readable(far().incoming()));
  ASSERT_TRUE(is_ok(read_up_to(far(), 1)));
  EXPECT_TRUE(stays_unreadable(far().incoming()));
}

TEST_P(StreamContract, WaitersThatSleepAreWokenByBytes) {
  std::vector<std::thread> waiters;
  for (int i = 0; i < 3; ++i) waiters.emplace_back([&] { EXPECT_TRUE(becomes_readable(far().incoming())); });
  EXPECT_TRUE(is_ok(write_all(near(), pattern(1))));
  for (auto& waiter : waiters) waiter.join();
}

TEST_P(StreamContract, OneWaiterSeesBothDirections) {
  auto waiter = links::Waiter::create();
  ASSERT_TRUE(is_ok(waiter));
  if (near().incoming() == near().outgoing()) {
    ASSERT_TRUE(is_ok(waiter->add(near().incoming(), {.readable = true, .writable = true}, 1)));
  } else {
    ASSERT_TRUE(is_ok(waiter->add(near().incoming(), {.readable = true, .writable = false}, 1)));
    ASSERT_TRUE(is_ok(waiter->add(near().outgoing(), {.readable = false, .writable = true}, 2)));
  }
  const auto seen = [&] {
    std::array<links::Ready, 4> ready;
    const auto count = waiter->wait(ready, kEventually);
    links::Interest both;
    for (std::size_t i = 0; i < count.value(); ++i) {
      both.readable |= ready[i].readable;
      both.writable |= ready[i].writable;
    }
    return both;
  };
  EXPECT_EQ(seen(), (links::Interest{.readable = false, .writable = true}));
  ASSERT_TRUE(is_ok(write_all(far(), pattern(1))));
  ASSERT_TRUE(becomes_readable(near().incoming()));
  EXPECT_EQ(seen(), (links::Interest{.readable = true, .writable = true}));
}

TEST_P(StreamContract, TheEndComesAfterTheData) {
  const auto sent = fill(near(), 5000);
  ends_.connecting = End{};
  const auto received = read_up_to(far(), sent.size() + 1);
  ASSERT_TRUE(is_ok(received));
  EXPECT_EQ(*received, sent);
  std::array<std::byte, 8> room{};
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(becomes_readable(far().incoming()));
    const auto end = read_once(far(), room);
    ASSERT_TRUE(is_ok(end));
    EXPECT_EQ(*end, 0U);
  }
}

TEST_P(StreamContract, WritingToAPeerThatIsGoneIsPeerDied) {
  drop_far();
  EXPECT_TRUE(becomes_writable(near().outgoing()));
  // Over a network it is the answer to the first bytes that tells.
  EXPECT_TRUE(becomes_true([&] { return bool{fails_with(Errc::peer_died, write_all(near(), pattern(100'000)))}; }));
  EXPECT_TRUE(fails_with(Errc::peer_died, write_all(near(), pattern(1))));
  EXPECT_TRUE(becomes_true([&] { return !near().pending(); }));
}

TEST_P(StreamContract, APeerThatGoesWakesWhoWaitsForRoomOrBytes) {
  (void)fill(near());
  std::thread for_room([&] { EXPECT_TRUE(becomes_writable(near().outgoing())); });
  std::thread for_bytes([&] { EXPECT_TRUE(becomes_readable(near().incoming())); });
  drop_far();
  for_room.join();
  for_bytes.join();
  EXPECT_TRUE(becomes_true([&] { return !near().pending(); }));
  EXPECT_TRUE(fails_with(Errc::peer_died, write_all(near(), pattern(100'000))));
}

TEST_P(StreamContract, WhatWasSentBeforeAPeerWentIsStillRead) {
  // The peer goes with bytes of ours unread: that must not take away what it sent.
  const auto sent = fill(far(), 300);
  (void)write_once(near(), pattern(10)).has_value();
  drop_far();
  const auto received = read_up_to(near(), sent.size() + 1);
  ASSERT_TRUE(is_ok(received));
  EXPECT_EQ(*received, sent);
}

TEST_P(StreamContract, TheOutboxEmptiesItself) {
  const auto sent = fill(near());
  const auto received = read_up_to(far(), sent.size());
  ASSERT_TRUE(is_ok(received));
  EXPECT_EQ(*received, sent);
  EXPECT_TRUE(becomes_true([&] { return !near().pending(); }));
  EXPECT_TRUE(becomes_writable(near().outgoing()));
}

TEST_P(StreamContract, WritableTellsWhoWaitsForTheOutboxToEmpty) {
  // Were outgoing() writable while something is pending, who waits for the outbox to empty would spin.
  ASSERT_TRUE(is_ok(write_all(near(), pattern(1))));
  std::array<std::byte, 1> room{};
  ASSERT_TRUE(becomes_readable(far().incoming()));
  ASSERT_TRUE(is_ok(read_once(far(), room)));
  ASSERT_TRUE(becomes_writable(near().outgoing()));
  EXPECT_FALSE(near().pending());
}

// The sender keeps the lamp's switch, which is what travels.
void expect_handles_to_travel(links::StreamLink& from, links::StreamLink& to, const sluice_test::Lamp& lamp) {
  const links::Descriptor::Native handle = lamp.handle();
  const auto bytes = pattern(2);
  const Bytes buffer{bytes};
  // The first time nobody wants the handle, and it is closed; the second time it arrives.
  for (const bool is_wanted : {false, true}) {
    ASSERT_TRUE(is_ok(from.write(std::span{&buffer, 1}, std::span{&handle, 1})));
    ASSERT_TRUE(becomes_readable(to.incoming()));
    std::array<std::byte, 2> received{};
    const std::span<std::byte> room{received};
    std::vector<links::Descriptor> handles;
    ASSERT_TRUE(is_ok(to.read(std::span{&room, 1}, is_wanted ? &handles : nullptr)));
    ASSERT_EQ(handles.size(), is_wanted ? 1U : 0U);
    if (!is_wanted) continue;
    EXPECT_NE(handles[0].native(), handle);
    sluice_test::Lamp::light(handles[0].native());
    EXPECT_TRUE(becomes_readable(lamp.waitable()));
  }
}

TEST_P(StreamContract, HandlesTravelWithTheFirstByteOrAreRefused) {
  const sluice_test::Lamp lamp;
  const links::Descriptor::Native handle = lamp.handle();
  if (near().carries_handles()) return expect_handles_to_travel(near(), far(), lamp);
  const auto byte = pattern(1);
  const Bytes buffer{byte};
  EXPECT_TRUE(fails_with(Errc::not_supported, near().write(std::span{&buffer, 1}, std::span{&handle, 1})));
  EXPECT_TRUE(stays_unreadable(far().incoming()));
}

TEST_P(StreamContract, OneThreadWritesWhileAnotherReadsAtBothEnds) {
  const std::size_t size = GetParam().is_slow() ? 10'000 : std::size_t{1} << 20;
  const auto there = pattern(size, 3);
  const auto back = pattern(size, 4);
  std::thread near_writes([&] { EXPECT_TRUE(is_ok(write_all(near(), there))); });
  std::thread far_writes([&] { EXPECT_TRUE(is_ok(write_all(far(), back))); });
  std::thread near_reads([&] {
    const auto read = read_up_to(near(), size);
    ASSERT_TRUE(is_ok(read));
    EXPECT_TRUE(*read == back);
  });
  const auto read = read_up_to(far(), size);
  near_writes.join();
  far_writes.join();
  near_reads.join();
  ASSERT_TRUE(is_ok(read));
  EXPECT_TRUE(*read == there);
}

INSTANTIATE_TEST_SUITE_P(Links, StreamContract, testing::ValuesIn(subjects(Shape::stream)), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StreamContract);

}  // namespace
}  // namespace sluice::inline v0::test
