// Promise 7, where the victim was handed its end: the attacker has made the pipes, and has the other end of both.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "hostile.hpp"
#include "hostile_records.hpp"

namespace sluice_test {
namespace {

std::vector<Subject> those_handed_over() {
  std::vector<Subject> all;
  for (const auto& subject : subjects())
    if (!subject.has_names) all.push_back(subject);
  return all;
}

class HostileParent : public HostileTest {
 protected:
  // A write to a victim that has ended must not end this process.
  void SetUp() override {
    HostileTest::SetUp();
    before_ = signal(SIGPIPE, SIG_IGN);
  }
  void TearDown() override {
    signal(SIGPIPE, before_);
    HostileTest::TearDown();
  }

 private:
  sighandler_t before_{};
};
INSTANTIATE_TEST_SUITE_P(Promise7, HostileParent, testing::ValuesIn(those_handed_over()), label_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HostileParent);

// The attacker's end, and what the victim gets.
class RawPipes {
 public:
  RawPipes() {
    std::array<int, 2> there{};
    std::array<int, 2> back{};
    if (pipe2(there.data(), O_CLOEXEC) != 0 || pipe2(back.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    theirs_.emplace_back(there[0]);
    theirs_.emplace_back(back[1]);
    ours_.emplace_back(back[0]);
    ours_.emplace_back(there[1]);
  }
  // Lets the victim claim its end.
  Peer::Ticket give_to(Peer& victim, const std::string& words) {
    const auto ticket = victim.start("inherit " + words, theirs_);
    theirs_.clear();
    return ticket;
  }
  bool send(const Wire& wire) {
    auto bytes = std::span{wire.bytes()};
    while (!bytes.empty()) {
      if (!is_ready(ours_[1], POLLOUT)) return false;
      const ssize_t sent = write(number(ours_[1]), bytes.data(), std::min<std::size_t>(bytes.size(), 4096));
      if (sent <= 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return true;
  }
  std::optional<std::vector<std::byte>> receive(std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::size_t got = 0; got < size;) {
      if (!is_ready(ours_[0], POLLIN)) return std::nullopt;
      const ssize_t count = read(number(ours_[0]), bytes.data() + got, size - got);
      if (count <= 0) return std::nullopt;
      got += static_cast<std::size_t>(count);
    }
    return bytes;
  }
  // Plays the listener's part, rightly.
  bool shake_hands() {
    auto hello = receive(64);
    if (!hello || !receive(load_u32(*hello, 12) - 64)) return false;
    return send(RawHello{}.wire().append(raw_control(word::kOffer))) && receive(24).has_value();
  }
  void stop_reading() { ours_[0].close(); }
  void stop_writing() { ours_[1].close(); }
  void close() { ours_.clear(); }

 private:
  static int number(const sluice::Handle& handle) { return static_cast<int>(handle.native()); }
  static bool is_ready(const sluice::Handle& handle, short events) {
    pollfd ready{number(handle), events, 0};
    return poll(&ready, 1, static_cast<int>(patience().count())) > 0;
  }
  std::vector<sluice::Handle> theirs_;
  std::vector<sluice::Handle> ours_;
};

TEST_P(HostileParent, GarbageInTheHandshake) {
  auto& victim = start_peer();
  const std::uint64_t memory = resident_bytes(victim.pid());
  RawHello huge;
  huge.size = 1U << 30;
  RawHello other_version;
  other_version.lowest = other_version.highest = 99;
  const auto right = [] { return RawHello{}.wire(); };
  const std::array<Attack, 8> attacks{{
      {"text", Wire{}.text("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")},
      {"random bytes", Wire{}.random(5000, test_seed())},
      {"a huge hello", huge.wire().zeros(5000)},
      {"another version", other_version.wire()},
      {"a word of the session", right().append(raw_control(word::kGoodbye))},
      {"an offer of numbers", right().append(record(RawKind::control, 24, 0).u32(word::kOffer).u32(0).u64(1).u64(7))},
      {"an offer that announces more", right().append(raw_control(word::kOffer, 0, 5))},
      {"a record in between", right().append(record(RawKind::data, 10, 10))},
  }};
  for (const auto& attack : attacks) {
    SCOPED_TRACE(attack.what);
    RawPipes pipes;
    const auto claiming = pipes.give_to(victim, "deadline=5000");
    (void)pipes.send(attack.bytes);
    EXPECT_FAILED(victim.finish(claiming), Errc::protocol_error);
  }
  expect_grown_less(victim, memory, std::uint64_t{8} << 20);
  // And a right one afterwards.
  auto pair = hand_over(victim);
  send(pair.channel, stream({100}), 0, 1);
  EXPECT_DONE(victim.call("receive size=100"));
}

TEST_P(HostileParent, SilenceAndHangUpEndAClaim) {
  auto& victim = start_peer();
  RawPipes silent;
  EXPECT_FAILED(victim.finish(silent.give_to(victim, "deadline=200")), Errc::timed_out);
  RawPipes gone;
  const auto claiming = gone.give_to(victim, "deadline=5000");
  ASSERT_TRUE(gone.receive(64));
  gone.close();
  EXPECT_FAILED(victim.finish(claiming), Errc::peer_died);
  RawPipes half;
  const auto waiting = half.give_to(victim, "deadline=5000");
  ASSERT_TRUE(half.receive(64));
  half.stop_writing();
  EXPECT_FAILED(victim.finish(waiting), Errc::peer_died);
}

TEST_P(HostileParent, BrokenRecords) {
  constexpr std::uint64_t kSmallLimit = 200'000;
  auto& victim = start_peer();
  const std::uint64_t memory = resident_bytes(victim.pid());
  for (const auto& attack : broken_records(kSmallLimit)) {
    SCOPED_TRACE(attack.what);
    RawPipes pipes;
    const auto claiming = pipes.give_to(victim, "deadline=5000 max_message=200000");
    ASSERT_TRUE(pipes.shake_hands());
    ASSERT_DONE(victim.finish(claiming));
    const auto receiving = victim.start("receive deadline=5000");
    (void)pipes.send(attack.bytes);
    EXPECT_FAILED(victim.finish(receiving), Errc::protocol_error);
    expect_protocol_error(victim);
  }
  expect_grown_less(victim, memory, std::uint64_t{8} << 20);
}

// One of the two pipes is closed, the other stays: no peer does that, and nothing hangs over it.
TEST_P(HostileParent, HalfAHangUpIsTheEnd) {
  for (const bool reads_on : {true, false}) {
    auto& victim = start_peer();
    RawPipes pipes;
    const auto claiming = pipes.give_to(victim, "deadline=5000");
    ASSERT_TRUE(pipes.shake_hands());
    ASSERT_DONE(victim.finish(claiming));
    const auto receiving = victim.start("receive deadline=5000");
    if (reads_on) {
      pipes.stop_writing();
    } else {
      pipes.stop_reading();
    }
    EXPECT_FAILED(victim.finish(receiving), Errc::peer_died);
    EXPECT_FAILED(victim.call("send size=10 deadline=5000"), Errc::peer_died);
    EXPECT_DONE(victim.call("destroy"));
  }
}

}  // namespace
}  // namespace sluice_test
