// What a foreign framing keeps of the promises, with Sluice at both ends and the other one in another process. No cells of the
// table: subjects of their own.
#include <csignal>

#include "conformance.hpp"

namespace sluice_test {
namespace {

std::vector<Subject> framed_subjects() {
  const std::vector<Subject> all{
      {.label = "unix-u32le", .mechanism = "unix", .options = "framing=u32le", .place = "{folder}/meet"},
      {.label = "tcp-u32be", .mechanism = "tcp", .options = "framing=u32be", .place = "{loopback}"},
      {.label = "inproc-u32le", .mechanism = "inproc", .options = "link=stream&framing=u32le"},
  };
  std::vector<Subject> here;
  for (const auto& subject : all) {
    const auto has_it = [&](const Subject& other) { return other.mechanism == subject.mechanism; };
    if (std::ranges::any_of(subjects(), has_it)) here.push_back(subject);
  }
  return here;
}

class ForeignFraming : public Conformance {
 protected:
  ForeignFraming() : Conformance(0) {}
};
INSTANTIATE_TEST_SUITE_P(Foreign, ForeignFraming, testing::ValuesIn(framed_subjects()), label_of);

TEST_P(ForeignFraming, MessagesOfEverySizeCrossBothWaysAtOnce) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    EXPECT_TRUE(pair.channel.traits().framing.starts_with("u32"));
    for (const std::uint64_t limit : {200U, 300'000U}) {
      const std::uint64_t count = scaled(limit == 200 ? 5000 : 100, 20);
      const std::string words = " count=" + std::to_string(count) + " mixed=" + std::to_string(limit);
      const auto receiving = pair.peer->start("receive stream=1" + words, "receive");
      const auto sending = pair.peer->start("send parts=1 stream=2" + words, "send");
      std::thread sender([&] { send(pair.channel, stream({0, limit}, 1), 0, count); });
      receive(pair.channel, stream({0, limit}, 2), 0, count);
      sender.join();
      EXPECT_DONE(pair.peer->finish(receiving));
      EXPECT_DONE(pair.peer->finish(sending));
    }
    EXPECT_CODE(pair.channel.receive(Deadline::now()), Errc::would_block);
  }
}

TEST_P(ForeignFraming, WhoIsAheadWaitsAndNothingIsLost) {
  auto pair = meet();
  const Stream fixed = stream({3000});
  const std::uint64_t sent = fill_up(pair.channel, fixed);
  EXPECT_GT(sent, 0U);
  EXPECT_CODE(fixed.send(pair.channel, sent, Deadline::now()), Errc::would_block);
  const auto receiving = pair.peer->start("receive size=3000 count=" + std::to_string(sent + 10));
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
    const std::size_t size = 1 << 20;  // more than a link holds: its tail goes with the close
    const auto receiving = pair.peer->start("receive all=1 size=" + std::to_string(size));
    send(pair.channel, stream({size}), 0, 5);
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
  EXPECT_DONE(pair.peer->call("send size=100 count=3"));
  EXPECT_DONE(pair.peer->call("finish"));
  receive(pair.channel, stream({100}), 0, 3);
  EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
  const auto receiving = pair.peer->start("receive size=100 count=3");
  send(pair.channel, stream({100}), 0, 3);
  EXPECT_DONE(pair.peer->finish(receiving));
  EXPECT_CODE(pair.channel.flush(soon()), Errc::not_supported);
  EXPECT_OK(pair.channel.close(soon()));
}

// Killed between two messages it ends like one that closes: nothing in the stream tells them apart.
TEST_P(ForeignFraming, AKilledPeerLeavesItsWholeMessages) {
  if (stays_in_one_process()) return answer_one_process();
  auto pair = meet();
  EXPECT_DONE(pair.peer->call("send size=300 count=10"));
  receive(pair.channel, stream({kSmall}), 0, 3);
  pair.peer->kill();
  receive(pair.channel, stream({kSmall}), 3, 7);
  EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
}

TEST_P(ForeignFraming, APeerKilledInsideAMessageHasDied) {
  if (stays_in_one_process()) return answer_one_process();
  auto pair = meet(PeerDoes::listen);
  const std::size_t size = std::size_t{16} << 20;
  EXPECT_DONE(pair.peer->call("send size=300"));
  EXPECT_DONE(pair.peer->call("send deadline=100 first=1 size=" + std::to_string(size)));  // its tail stays behind
  receive(pair.channel, stream({kSmall}), 0, 1);
  pair.peer->kill();
  EXPECT_CODE(pair.channel.receive(soon()), Errc::peer_died);
  EXPECT_CODE(pair.channel.send({}, soon()), Errc::peer_died);
}

TEST_P(ForeignFraming, ASenderLearnsThatItsPeerWasKilled) {
  if (stays_in_one_process()) return answer_one_process();
  auto pair = meet();
  const std::uint64_t sent = fill_up(pair.channel, stream({3000}));
  std::thread killing([&] { pair.peer->kill(); });
  sluice::Result<void> result;
  for (std::uint64_t number = sent; result; ++number) result = stream({3000}).send(pair.channel, number, soon());
  killing.join();
  EXPECT_TRUE(result.error().code == Errc::peer_died || result.error().code == Errc::closed) << code_of(result);
}

}  // namespace
}  // namespace sluice_test
