// Promise 7, before a channel is there: garbage, lies and silence at the handshake.
#include "hostile.hpp"

#include <fcntl.h>

namespace sluice_test {
namespace {

class HostileHandshake : public HostileTest {};
INSTANTIATE_TEST_SUITE_P(Promise7, HostileHandshake, testing::ValuesIn(subjects()), label_of);

TEST_P(HostileHandshake, SilentClientsDelayNobody) {
  if (answered()) return;
  constexpr std::size_t kSilent = 16;
  auto& victim = listening_victim();
  std::vector<RawSocket> silent;
  for (std::size_t client = 0; client < kSilent; ++client) silent.push_back(RawSocket::connect(door()));
  const auto started = Clock::now();
  expect_unharmed(victim, resident_bytes(victim.pid()));
  const auto took = Clock::now() - started;
  note("served_after_ms", static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(took).count()));
  // Far below the ten seconds that each of them has for its handshake: nobody waited for even one.
  EXPECT_LT(took, under_sanitizer() ? 8s : 2s);
}

TEST_P(HostileHandshake, HelloBytesThatComeOneByOneDelayNobody) {
  if (answered()) return;
  auto& victim = listening_victim();
  auto slow = RawSocket::connect(door());
  const auto hello = RawHello{}.wire();
  for (std::size_t at = 0; at < 10; ++at) {
    ASSERT_TRUE(slow.send(std::span(hello.bytes()).subspan(at, 1)));
    if (at % 3 == 0) expect_unharmed(victim, resident_bytes(victim.pid()));
  }
  // It may still come to its end.
  const auto accepting = victim.start("accept deadline=10000");
  ASSERT_TRUE(slow.send(std::span(hello.bytes()).subspan(10)));
  ASSERT_TRUE(slow.receive_hello());
  ASSERT_TRUE(slow.receive_control());
  ASSERT_TRUE(slow.send(raw_control(word::kReady)));
  EXPECT_DONE(victim.finish(accepting));
}

TEST_P(HostileHandshake, RandomBytes) {
  if (answered()) return;
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  const std::uint64_t rounds = scaled(60, 20);
  Random random(test_seed());
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const auto accepting = victim.start("accept deadline=30");
    auto stranger = RawSocket::connect(door());
    Wire wire;
    // Some begin rightly, so that what comes later is looked at as well.
    if (round % 3 == 1) wire.text("SLUICE\r\n");
    if (round % 3 == 2) wire = RawHello{}.wire();
    wire.random(1 + random.below(6000), random.next());
    (void)stranger.send(wire);
    EXPECT_FAILED(victim.finish(accepting), Errc::timed_out);
  }
  expect_unharmed(victim, memory);
  note("rounds", rounds);
}

struct Lie {
  const char* what;
  RawHello hello;
};

TEST_P(HostileHandshake, HellosThatLie) {
  if (answered()) return;
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  std::vector<Lie> lies(11);
  lies[0].what = "another magic", lies[0].hello.magic = "SLUICE\n\n";
  lies[1].what = "versions above ours", lies[1].hello.lowest = 7, lies[1].hello.highest = 9;
  lies[2].what = "lowest above highest", lies[2].hello.lowest = 1;
  lies[3].what = "announces 4 GiB", lies[3].hello.size = 0xFFFFFFF8U;
  lies[4].what = "announces 4104 bytes", lies[4].hello.size = 4104;
  lies[5].what = "announces 63 bytes", lies[5].hello.size = 63;
  lies[6].what = "announces 0 bytes", lies[6].hello.size = 0;
  lies[7].what = "no multiple of 8", lies[7].hello.size = 66;
  lies[8].what = "requires what nobody has", lies[8].hello.required = ~std::uint64_t{0};
  lies[9].what = "byte order 9", lies[9].hello.order = 9;
  lies[10].what = "words of 7 bytes", lies[10].hello.word = 7;
  for (const auto& lie : lies) {
    SCOPED_TRACE(lie.what);
    const auto accepting = victim.start("accept deadline=300");
    auto stranger = RawSocket::connect(door());
    ASSERT_TRUE(stranger.send(lie.hello.wire()));
    // Refused, not left waiting; the listener's own call reports nothing.
    EXPECT_TRUE(stranger.is_hung_up());
    EXPECT_FAILED(victim.finish(accepting), Errc::timed_out);
  }
  expect_unharmed(victim, memory);
}

TEST_P(HostileHandshake, AnotherVersionLearnsOurs) {
  if (answered()) return;
  auto& victim = listening_victim();
  const auto accepting = victim.start("accept deadline=300");
  auto stranger = RawSocket::connect(door());
  RawHello hello;
  hello.lowest = 7;
  hello.highest = 9;
  ASSERT_TRUE(stranger.send(hello.wire()));
  const auto theirs = stranger.receive_hello();
  ASSERT_TRUE(theirs);
  EXPECT_EQ(load_u64(*theirs, 0), load_u64(RawHello{}.wire().bytes(), 0));  // the magic
  EXPECT_FAILED(victim.finish(accepting), Errc::timed_out);
}

TEST_P(HostileHandshake, ThatAnnouncesGigabytesCostsNothing) {
  if (answered()) return;
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  RawHello hello;
  hello.largest = ~std::uint64_t{0};  // allowed: it accepts whatever comes
  auto connected = connect_rightly(victim, hello);
  expect_unharmed(victim, memory);
}

TEST_P(HostileHandshake, TruncatedOrFollowedByNonsense) {
  if (answered()) return;
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  const auto hello = RawHello{}.wire();
  const Wire endings[] = {
      Wire{},
      Wire{}.u64(raw_header(RawKind::control, (1U << 26) - 1)),             // a frame of 64 MiB
      Wire{}.u64(raw_header(RawKind::control, 4096)),                       // just above a frame
      Wire{}.u64(raw_header(RawKind::control, 8)).u64(0),                   // too short
      Wire{}.u64(raw_header(RawKind::data, 16)).zeros(16),                  // a message before the session
      Wire{}.u64(raw_header(RawKind::control, 16, 0, kRawTurn)).zeros(16),  // a turn
      Wire{raw_control(word::kOffer)},                                      // what only the other side says
      Wire{raw_control(word::kGoodbye)},                                    // out of its time
      Wire{raw_control(99)},                                                // an unknown word
      Wire{}.u64(0),                                                        // no record
  };
  for (const std::size_t size : {0U, 1U, 8U, 63U}) {
    const auto accepting = victim.start("accept deadline=50");
    auto stranger = RawSocket::connect(door());
    (void)stranger.send(std::span(hello.bytes()).first(size));
    stranger.close();
    EXPECT_FAILED(victim.finish(accepting), Errc::timed_out);
  }
  for (const auto& ending : endings) {
    const auto accepting = victim.start("accept deadline=100");
    auto stranger = RawSocket::connect(door());
    ASSERT_TRUE(stranger.send(hello));
    ASSERT_TRUE(stranger.receive_hello());
    (void)stranger.receive_control();
    (void)stranger.send(ending);
    EXPECT_FAILED(victim.finish(accepting), Errc::timed_out);
  }
  expect_unharmed(victim, memory);
}

TEST_P(HostileHandshake, HandlesThatNobodyAskedForAreClosed) {
  if (answered()) return;
  auto& victim = listening_victim();
  for (const std::size_t count : {1U, 8U, 9U, 200U}) {
    const auto before = descriptors_of(victim.pid()).size();
    const auto accepting = victim.start("accept deadline=50");
    auto stranger = RawSocket::connect(door());
    Files files;
    for (std::size_t at = 0; at < count; ++at) files.add(open("/dev/null", O_RDONLY | O_CLOEXEC));
    (void)stranger.send(RawHello{}.wire(), files);
    (void)victim.finish(accepting);
    stranger.close();
    (void)victim.call("accept deadline=20");  // lets it notice
    EXPECT_LE(descriptors_of(victim.pid()).size(), before);
    (void)victim.call("destroy");
  }
  expect_unharmed(victim, resident_bytes(victim.pid()));
}

TEST_P(HostileHandshake, ManyThatComeAndGo) {
  if (answered()) return;
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  const auto accepting = victim.start("accept deadline=1500");
  const std::uint64_t count = scaled(300, 100);
  for (std::uint64_t at = 0; at < count; ++at) {
    auto stranger = RawSocket::connect(door());
    if (at % 2 == 0) (void)stranger.send(RawHello{}.wire());
  }
  EXPECT_FAILED(victim.finish(accepting), Errc::timed_out);
  note("clients", count);
  expect_unharmed(victim, memory);
}

TEST_P(HostileHandshake, AStrayByteOnTheTetherIsNoMessage) {
  if (answered()) return;
  if (!traits().lobby) return note("tether", "the channel's own connection");
  // What comes there is not looked at before a message says that it has some: HostileRegionHandles.
  if (traits().handles) return note("tether", "carries handles");
  auto& victim = listening_victim();
  const std::uint64_t memory = resident_bytes(victim.pid());
  auto connected = connect_rightly(victim);
  ASSERT_TRUE(connected.socket.send(Wire{}.random(5000, test_seed())));
  const Reply received = victim.call("receive deadline=5000");
  EXPECT_TRUE(received.code == "peer_died" || received.code == "protocol_error") << received;
  EXPECT_DONE(victim.call("destroy"));
  expect_unharmed(victim, memory);
}

}  // namespace
}  // namespace sluice_test
