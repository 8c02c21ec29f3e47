// What a foreign framing keeps of the promises, with Sluice at both ends and the other one in another process. No cells of the
// table: subjects of their own, each framing over each kind of stream.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conformance.hpp"
#include "joined.hpp"

namespace sluice_test {
namespace {

constexpr std::string_view kRaw = "raw";

Subject framed(const Subject& bare, std::string_view framing) {
  Subject subject = bare;
  subject.label = bare.mechanism + "-" + std::string(framing);
  if (!subject.options.empty()) subject.options += "&";
  subject.options += "framing=" + std::string(framing);
  return subject;
}

// Those whose framing has messages, and those without (raw).
std::vector<Subject> framed_subjects(bool are_raw) {
  const std::vector<Subject> streams{
      {.label = {}, .mechanism = "unix", .place = "{folder}/meet"},
      {.label = {}, .mechanism = "tcp", .place = "{loopback}"},
      {.label = {}, .mechanism = "pipe", .has_names = false},
      {.label = {}, .mechanism = "inproc", .options = "link=stream"},
  };
  std::vector<Subject> here;
  for (const auto& bare : streams) {
    const auto has_it = [&](const Subject& other) { return other.mechanism == bare.mechanism; };
    if (std::ranges::none_of(subjects(), has_it)) continue;
    for (const std::string_view framing : {"raw", "line", "nul", "u16be", "u32le"})
      if ((framing == kRaw) == are_raw) here.push_back(framed(bare, framing));
    // Big-endian once more where it is four bytes.
    if (bare.mechanism == "tcp" && !are_raw) here.push_back(framed(bare, "u32be"));
  }
  return here;
}

// Messages whose boundaries arrive.
class ForeignFraming : public Conformance {
 protected:
  ForeignFraming() : Conformance(0) {}

  [[nodiscard]] std::string_view framing() const {
    const std::string_view options = subject().options;
    return options.substr(options.rfind('=') + 1);
  }
  [[nodiscard]] bool is_delimited() const { return framing() == "line" || framing() == "nul"; }
  // What the framing can say; less than `wanted` where its prefix is short.
  [[nodiscard]] std::uint64_t at_most(std::uint64_t wanted) const {
    return framing().starts_with("u16") ? std::min<std::uint64_t>(wanted, 65'535) : wanted;
  }
  // The peer's word for messages without delimiters, and the same as a stream of ours.
  [[nodiscard]] std::string text() const { return is_delimited() ? " text=1" : ""; }
  [[nodiscard]] Stream framed_stream(Sizes sizes, std::uint64_t number = 0) const {
    auto same = stream(sizes, number);
    same.as_text = is_delimited();
    return same;
  }
};
INSTANTIATE_TEST_SUITE_P(Foreign, ForeignFraming, testing::ValuesIn(framed_subjects(false)), label_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ForeignFraming);

TEST_P(ForeignFraming, MessagesOfEverySizeCrossBothWaysAtOnce) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    EXPECT_EQ(pair.channel.traits().framing, framing());
    for (const std::uint64_t wanted : {200U, 300'000U}) {
      const std::uint64_t limit = at_most(wanted);
      const std::uint64_t count = scaled(limit == 200 ? 2000 : 100, 20);
      const std::string words = text() + " count=" + std::to_string(count) + " mixed=" + std::to_string(limit);
      const auto receiving = pair.peer->start("receive stream=1" + words, "receive");
      const auto sending = pair.peer->start("send parts=1 stream=2" + words, "send");
      std::thread sender([&] { send(pair.channel, framed_stream({0, limit}, 1), 0, count); });
      receive(pair.channel, framed_stream({0, limit}, 2), 0, count);
      sender.join();
      EXPECT_DONE(pair.peer->finish(receiving));
      EXPECT_DONE(pair.peer->finish(sending));
    }
    EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::would_block);
    EXPECT_FAILED(pair.peer->call("receive deadline=now"), Errc::would_block);
  }
}

// A size that the prefix can't say, a delimiter inside a message.
TEST_P(ForeignFraming, WhatItCannotSayIsRefusedAndNothingIsSent) {
  auto pair = meet();
  if (framing().starts_with("u16")) {
    const std::vector<std::byte> too_large(65'536);
    EXPECT_CODE(pair.channel.send(too_large, soon()), Errc::too_large);
    EXPECT_CODE(pair.channel.loan(too_large.size(), soon()), Errc::too_large);
  }
  if (is_delimited()) {
    const std::string delimiter(1, framing() == "line" ? '\n' : '\0');
    EXPECT_CODE(pair.channel.send(sluice::as_bytes("one" + delimiter + "two"), soon()), Errc::misuse);
  }
  const sluice::Handle handle{::dup(STDERR_FILENO)};
  const sluice::Outgoing with_handle{.handles = {&handle, 1}};
  EXPECT_CODE(pair.channel.send(with_handle, soon()), Errc::not_supported);
  const auto receiving = pair.peer->start("receive size=100" + text());
  send(pair.channel, framed_stream({100}), 0, 1);
  EXPECT_DONE(pair.peer->finish(receiving));
}

TEST_P(ForeignFraming, WhoIsAheadWaitsAndNothingIsLost) {
  auto pair = meet();
  const Stream fixed = framed_stream({3000});
  const std::uint64_t sent = fill_up(pair.channel, fixed);
  EXPECT_GT(sent, 0U);
  EXPECT_CODE(fixed.send(pair.channel, sent, Deadline::now()), Errc::would_block);
  const auto receiving = pair.peer->start("receive size=3000" + text() + " count=" + std::to_string(sent + 10));
  send(pair.channel, fixed, sent, 10);
  EXPECT_OK(pair.channel.finish(soon()));
  EXPECT_DONE(pair.peer->finish(receiving));
  EXPECT_FAILED(pair.peer->call("receive"), Errc::closed);
  const auto counted = pair.channel.statistics();
  EXPECT_EQ(counted.messages_sent, sent + 10);
  EXPECT_EQ(counted.unknown, sent + 10);
}

TEST_P(ForeignFraming, ACloseLetsEverythingArriveThenClosed) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    const std::size_t size = at_most(1 << 20);  // five of it: more than a link holds, and its tail goes with the close
    const auto receiving = pair.peer->start("receive all=1 size=" + std::to_string(size) + text());
    send(pair.channel, framed_stream({size}), 0, 5);
    EXPECT_OK(pair.channel.close(soon()));
    const Reply received = pair.peer->finish(receiving);
    EXPECT_DONE(received);
    EXPECT_EQ(received.number("received"), 5U);
    EXPECT_EQ(received.text("code"), "closed");
    EXPECT_DONE(pair.peer->call("close deadline=5000"));
  }
}

TEST_P(ForeignFraming, OneDirectionEndsAndTheOtherGoesOn) {
  auto pair = meet();
  EXPECT_DONE(pair.peer->call("send size=100 count=3" + text()));
  EXPECT_DONE(pair.peer->call("finish"));
  receive(pair.channel, framed_stream({100}), 0, 3);
  EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
  const auto receiving = pair.peer->start("receive size=100 count=3" + text());
  send(pair.channel, framed_stream({100}), 0, 3);
  EXPECT_DONE(pair.peer->finish(receiving));
  EXPECT_CODE(pair.channel.flush(soon()), Errc::not_supported);
  EXPECT_OK(pair.channel.close(soon()));
}

// Killed between two messages it ends like one that closes: nothing in the stream tells them apart.
TEST_P(ForeignFraming, AKilledPeerLeavesItsWholeMessages) {
  if (stays_in_one_process()) return answer_one_process();
  auto pair = meet();
  EXPECT_DONE(pair.peer->call("send size=300 count=10" + text()));
  receive(pair.channel, framed_stream({kSmall}), 0, 3);
  pair.peer->kill();
  receive(pair.channel, framed_stream({kSmall}), 3, 7);
  EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
}

// Where a size says what is missing. Where a delimiter ends a message, what has come of the last one is told, and then the end.
TEST_P(ForeignFraming, APeerKilledInsideAMessageHasDied) {
  if (stays_in_one_process()) return answer_one_process();
  const std::size_t size = std::size_t{16} << 20;
  if (at_most(size) < size) return;  // no message is so large that the system can't take it whole
  auto pair = meet(PeerDoes::listen);
  EXPECT_DONE(pair.peer->call("send size=300" + text()));
  const std::string large = "send deadline=100 first=1 size=" + std::to_string(size);
  EXPECT_DONE(pair.peer->call(large + text()));  // its tail stays behind
  receive(pair.channel, framed_stream({kSmall}), 0, 1);
  pair.peer->kill();
  if (is_delimited()) {
    const auto last = pair.channel.receive(soon());
    ASSERT_OK(last);
    const auto whole = framed_stream({size}).message(1);
    EXPECT_GT(last->bytes().size(), 0U);
    EXPECT_LT(last->bytes().size(), size);
    EXPECT_TRUE(std::ranges::equal(last->bytes(), std::span(whole).first(last->bytes().size())));
    EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
    return;
  }
  EXPECT_CODE(pair.channel.receive(soon()), Errc::peer_died);
  EXPECT_CODE(pair.channel.send({}, soon()), Errc::peer_died);
}

TEST_P(ForeignFraming, ASenderLearnsThatItsPeerWasKilled) {
  if (stays_in_one_process()) return answer_one_process();
  auto pair = meet();
  const Stream fixed = framed_stream({3000});
  const std::uint64_t sent = fill_up(pair.channel, fixed);
  std::thread killing([&] { pair.peer->kill(); });
  sluice::Result<void> result;
  for (std::uint64_t number = sent; result; ++number) result = fixed.send(pair.channel, number, soon());
  killing.join();
  EXPECT_TRUE(result.error().code == Errc::peer_died || result.error().code == Errc::closed) << code_of(result);
}

// ---- raw -----------------------------------------------------------------------------------------------------------------

// Bytes alone: each read is a message, and where one ends says nothing.
class RawFraming : public Conformance {
 protected:
  RawFraming() : Conformance(0) {}

  // Reads until all bytes of messages first … first + count - 1 are there.
  void receive_joined(Channel& channel, const Stream& stream, std::uint64_t first, std::uint64_t count) {
    Joined joined(stream.seed, stream.sizes, first, count);
    while (!joined.is_complete()) {
      const auto piece = channel.receive(soon());
      ASSERT_OK(piece);
      ASSERT_TRUE(joined.take(piece->bytes()));
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Foreign, RawFraming, testing::ValuesIn(framed_subjects(true)), label_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RawFraming);

TEST_P(RawFraming, AllBytesCrossBothWaysAtOnceInOrder) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    EXPECT_EQ(pair.channel.traits().framing, kRaw);
    for (const std::uint64_t size : {7U, 3000U, 300'000U}) {
      const std::uint64_t count = scaled(size == 300'000 ? 20 : 1000, 20);
      const std::string words = " count=" + std::to_string(count) + " size=" + std::to_string(size);
      const auto receiving = pair.peer->start("receive-joined stream=1" + words, "receive");
      const auto sending = pair.peer->start("send parts=1 stream=2" + words, "send");
      std::thread sender([&] { send(pair.channel, stream({size}, 1), 0, count); });
      receive_joined(pair.channel, stream({size}, 2), 0, count);
      sender.join();
      EXPECT_DONE(pair.peer->finish(receiving));
      EXPECT_DONE(pair.peer->finish(sending));
    }
    EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::would_block);
    EXPECT_CODE(pair.channel.send({}, soon()), Errc::misuse) << "an empty read is the end";
  }
}

TEST_P(RawFraming, WhoIsAheadWaitsAndAllArrivesBeforeTheEnd) {
  auto pair = meet();
  const Stream fixed = stream({3000});
  const std::uint64_t sent = fill_up(pair.channel, fixed);
  EXPECT_GT(sent, 0U);
  EXPECT_CODE(fixed.send(pair.channel, sent, Deadline::now()), Errc::would_block);
  const auto receiving = pair.peer->start("receive-joined size=3000 count=" + std::to_string(sent + 10));
  send(pair.channel, fixed, sent, 10);
  EXPECT_OK(pair.channel.finish(soon()));
  EXPECT_DONE(pair.peer->finish(receiving));
  EXPECT_FAILED(pair.peer->call("receive"), Errc::closed);
  // The other direction goes on, and ends with the close.
  EXPECT_DONE(pair.peer->call("send size=100"));
  receive_joined(pair.channel, stream({100}), 0, 1);
  EXPECT_DONE(pair.peer->call("close deadline=5000"));
  EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
  EXPECT_CODE(pair.channel.flush(soon()), Errc::not_supported);
}

// Nothing in the stream tells a death from an end.
TEST_P(RawFraming, AKilledPeerLeavesWhatItHasSent) {
  if (stays_in_one_process()) return answer_one_process();
  auto pair = meet(PeerDoes::listen);
  EXPECT_DONE(pair.peer->call("send size=300 count=10"));
  receive_joined(pair.channel, stream({kSmall}), 0, 10);
  EXPECT_DONE(pair.peer->call("send size=300 first=10"));
  pair.peer->kill();
  receive_joined(pair.channel, stream({kSmall}), 10, 1);
  EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
}

}  // namespace
}  // namespace sluice_test
