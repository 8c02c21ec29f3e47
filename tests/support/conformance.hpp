// The fixture of the conformance suite: one test, run for every subject, with the other end in another process.
//
//   SLUICE_PROMISE(WholeMessages, 1);                     the suite, and the promise that its tests are about
//   TEST_P(WholeMessages, ArriveInEverySize) {
//     auto pair = meet();                                  a peer, and both ends of a channel
//     ...
//
// A helper that can't do its part throws, which fails the test. TearDown ends the peers, and looks for what was left behind.
#pragma once

#include <gtest/gtest.h>

#include <sluice/sluice.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "content.hpp"
#include "machine.hpp"
#include "peer.hpp"
#include "scratch.hpp"
#include "subject.hpp"

namespace sluice_test {

using namespace std::chrono_literals;
using sluice::Channel;
using sluice::Deadline;
using sluice::Errc;
using sluice::Listener;

// How the peer comes to its end: it connects, it listens, or it is handed the end and claims it.
enum class PeerDoes { connect, listen, inherit };

struct MeetOptions {
  std::optional<std::size_t> max_message;  // of both ends
  std::optional<std::size_t> capacity;
  std::optional<std::size_t> max_handles{};
  std::optional<sluice::Senders> senders{};
  bool untrusted{false};
  std::vector<std::string> peer_options;  // of sluice-test-peer
};

// Both ends of a channel: ours, and the peer that has the other (by the name "c").
struct Pair {
  Peer* peer;
  Channel channel;
};

// A stream of messages whose sizes and bytes follow from a seed, as the peer sends and checks them.
struct Stream {
  std::uint64_t seed{0};
  Sizes sizes;
  bool as_text{false};  // without the bytes that delimit messages (text=1)

  [[nodiscard]] std::vector<std::byte> message(std::uint64_t number) const;
  sluice::Result<void> send(Channel& channel, std::uint64_t number, Deadline deadline) const;
  // What is wrong with this message; empty if nothing is.
  [[nodiscard]] std::string wrong(std::uint64_t number, std::span<const std::byte> bytes) const;
};

class Conformance : public testing::TestWithParam<Subject> {
 protected:
  explicit Conformance(int promise, UserLock::Hold hold = UserLock::Hold::shared);
  void SetUp() override;
  void TearDown() override;

  [[nodiscard]] const Subject& subject() const { return GetParam(); }
  // What the table says about the subject. Its shape, for variants, is the channel's own: channel.traits().
  [[nodiscard]] sluice::Traits traits() const { return row_of(subject()).traits; }
  [[nodiscard]] bool stays_in_one_process() const { return traits().one_process; }
  // Messages that fit into the channel while nobody receives: few() of kSmall bytes.
  static constexpr std::size_t kSmall = 300;
  [[nodiscard]] std::uint64_t few() const { return subject().few; }
  // Where this test meets; the same for the whole test.
  [[nodiscard]] const std::string& endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] std::string another_endpoint() { return subject().endpoint(scratch_->folder(), scratch_->unique_name()); }
  [[nodiscard]] Scratch& scratch() { return *scratch_; }
  // This test's own, from the run's seed and the test's name.
  [[nodiscard]] std::uint64_t test_seed() const noexcept { return seed_; }
  [[nodiscard]] Deadline soon() const { return patience(); }

  Peer& start_peer(const std::vector<std::string>& options = {});
  // For those who need more than options: endpoint, seed and own_process are filled in.
  Peer& start_peer(Peer::Start start);
  // Meets a new peer, and makes sure that it is another process.
  Pair meet(PeerDoes what = PeerDoes::connect, const MeetOptions& options = {});
  Pair meet(Peer& peer, PeerDoes what, const MeetOptions& options = {});
  // Our end as listener and the accepted channel apart, for tests that need both.
  // Where nobody can listen: both ends are made here, and the peer is given its own.
  Pair hand_over(Peer& peer, const MeetOptions& options = {}, const std::string& words = {});
  [[nodiscard]] Listener listen(const MeetOptions& options = {});
  Channel accept_from(Listener& listener, Peer& peer, const MeetOptions& options = {}, const std::string& words = {});
  // For tests that listen besides, where one can: meets at that listener, or hands an end over. `words`: for the peer's
  // command.
  [[nodiscard]] std::optional<Listener> listen_if_possible();
  Pair meet_at(std::optional<Listener>& listener, Peer& peer, const std::string& words = {});

  // The stream that the peer sends and expects with stream=`number`.
  [[nodiscard]] Stream stream(Sizes sizes, std::uint64_t number = 0) const { return {seed_ ^ mix(number), sizes}; }
  // Receives and checks messages first … first + count - 1.
  void receive(Channel& channel, const Stream& stream, std::uint64_t first, std::uint64_t count);
  void send(Channel& channel, const Stream& stream, std::uint64_t first, std::uint64_t count);

  // Sends messages of that stream until no more go in, though somebody waits a while: how many.
  std::uint64_t fill_up(Channel& channel, const Stream& stream);

  // How many bytes this subject moves in about `seconds`, at most `bytes`; stated in the results where it is less.
  std::uint64_t affordable(std::uint64_t bytes, double seconds = 5);
  // States something in the results.
  void note(const std::string& key, const std::string& value);
  void note(const std::string& key, std::uint64_t value) { note(key, std::to_string(value)); }
  // The cell's answer, where it isn't simply passed. The test returns after it.
  void answer_one_process() { RecordProperty("outcome", "one_process"); }
  // True where nobody can listen or connect, and says so: the test returns.
  bool answered_without_names();
  void answer_not_supported() { RecordProperty("outcome", "not_supported"); }

  // The harness's own tests: TearDown lists what it found here instead of failing.
  std::vector<std::string>* collect_leftovers_{nullptr};

 private:
  void check_peer(const Pair& pair, const Reply& peer_said) const;
  [[nodiscard]] std::vector<std::string> what_stays();
  void end_peers(std::vector<std::string>& leftovers);

  int promise_;
  UserLock::Hold hold_;
  std::unique_ptr<UserLock> lock_;
  std::unique_ptr<Scratch> scratch_;
  std::string endpoint_;
  std::uint64_t seed_{0};
  std::vector<std::unique_ptr<Peer>> peers_;
  std::string notes_;
};

[[nodiscard]] inline std::string label_of(const testing::TestParamInfo<Subject>& info) {
  std::string label = info.param.label;
  for (char& letter : label)
    if (letter == '-') letter = '_';  // gtest takes no hyphen
  return label;
}

// A fixture for the tests of promise `number`, instantiated for every subject as Promise`number`/`suite`.
#define SLUICE_PROMISE(suite, number, ...)                      \
  class suite : public sluice_test::Conformance {               \
   protected:                                                   \
    suite() : Conformance(number __VA_OPT__(, ) __VA_ARGS__) {} \
  };                                                            \
  INSTANTIATE_TEST_SUITE_P(Promise##number, suite, testing::ValuesIn(sluice_test::subjects()), sluice_test::label_of)

// How results and codes are compared: EXPECT_OK(result), EXPECT_CODE(result, Errc::closed).
[[nodiscard]] inline std::string code_of(const auto& result) {
  return result ? "ok" : std::string(sluice::name(result.error().code));
}
[[nodiscard]] inline std::string sentence_of(const auto& result) { return result ? "ok" : sluice::describe(result.error()); }
#define EXPECT_OK(result) EXPECT_EQ(sluice_test::sentence_of(result), "ok")
#define ASSERT_OK(result) ASSERT_EQ(sluice_test::sentence_of(result), "ok")
#define EXPECT_CODE(result, errc) EXPECT_EQ(sluice_test::code_of(result), sluice::name(errc))
#define ASSERT_CODE(result, errc) ASSERT_EQ(sluice_test::code_of(result), sluice::name(errc))

// … and what a peer answered: EXPECT_DONE(reply), EXPECT_FAILED(reply, Errc::closed).
testing::AssertionResult is_done(const char* expression, const Reply& reply);
testing::AssertionResult has_failed(const char* expression, const char* code_expression, const Reply& reply, Errc code);
#define EXPECT_DONE(reply) EXPECT_PRED_FORMAT1(sluice_test::is_done, reply)
#define ASSERT_DONE(reply) ASSERT_PRED_FORMAT1(sluice_test::is_done, reply)
#define EXPECT_FAILED(reply, errc) EXPECT_PRED_FORMAT2(sluice_test::has_failed, reply, errc)

}  // namespace sluice_test
