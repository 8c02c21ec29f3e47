#include "conformance.hpp"

#include <unistd.h>

#include <functional>
#include <stdexcept>

#include "results.hpp"
#include "watchdog.hpp"

namespace sluice_test {
namespace {

constexpr milliseconds kTestLimit{120'000};  // a test that takes longer hangs

std::string words_of(const MeetOptions& options) {
  Words words;
  if (options.max_message) words.set("max_message", *options.max_message);
  if (options.capacity) words.set("capacity", *options.capacity);
  if (options.max_handles) words.set("max_handles", *options.max_handles);
  if (options.senders == sluice::Senders::many) words.set("senders", "many");
  if (options.untrusted) words.set("untrusted", 1);
  return words.line();
}

sluice::Options options_of(const MeetOptions& options) {
  sluice::Options ours;
  ours.max_message = options.max_message;
  ours.capacity = options.capacity;
  ours.max_handles = options.max_handles;
  ours.senders = options.senders;
  ours.untrusted = options.untrusted;
  return ours;
}

template <class Value>
Value require(sluice::Result<Value> result, const std::string& what) {
  if (!result) throw std::runtime_error(what + ": " + sluice::describe(result.error()));
  return *std::move(result);
}

void require(const Reply& reply, const std::string& what) {
  if (!reply) throw std::runtime_error(what + ": the peer says " + reply.code + " " + reply.words.line());
}

}  // namespace

testing::AssertionResult is_done(const char* expression, const Reply& reply) {
  if (reply.done) return testing::AssertionSuccess();
  return testing::AssertionFailure() << expression << ": the peer says: " << reply;
}

testing::AssertionResult has_failed(const char* expression, const char* code_expression, const Reply& reply, Errc code) {
  if (!reply.done && reply.code == sluice::name(code)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << expression << ": instead of " << code_expression << " the peer says: " << reply;
}

std::vector<std::byte> Stream::message(std::uint64_t number) const {
  std::vector<std::byte> bytes(sizes.of(seed, number));
  Content(seed, number, as_text).fill(bytes);
  return bytes;
}

sluice::Result<void> Stream::send(Channel& channel, std::uint64_t number, Deadline deadline) const {
  return channel.send(message(number), deadline);
}

std::string Stream::wrong(std::uint64_t number, std::span<const std::byte> bytes) const {
  const std::string which = "message " + std::to_string(number);
  if (const auto expected = sizes.of(seed, number); bytes.size() != expected)
    return which + " has " + std::to_string(bytes.size()) + " bytes instead of " + std::to_string(expected);
  if (const auto at = Content(seed, number, as_text).first_difference(bytes); at != Content::kSame)
    return which + " differs at byte " + std::to_string(at);
  return {};
}

Conformance::Conformance(int promise, UserLock::Hold hold) : promise_(promise), hold_(hold) {}

void Conformance::SetUp() {
  const auto& info = *testing::UnitTest::GetInstance()->current_test_info();
  const std::string name = std::string(info.test_suite_name()) + "." + info.name();
  RecordProperty(kPromiseProperty, promise_);
  RecordProperty(kSubjectProperty, subject().label);
  seed_ = seed() ^ std::hash<std::string>{}(name);
  lock_ = std::make_unique<UserLock>(subject().shares_user_limit ? hold_ : UserLock::Hold::none);
  if (const auto row = row_of(subject()); !row.available) GTEST_SKIP() << "not available here: " << row.why_not;
  Watchdog::instance().begin(name, under_sanitizer() ? kTestLimit * 2 : kTestLimit);
  scratch_ = std::make_unique<Scratch>();
  endpoint_ = another_endpoint();
}

void Conformance::TearDown() {
  if (scratch_) {
    std::vector<std::string> leftovers;
    end_peers(leftovers);
    for (auto& left : what_stays()) leftovers.push_back(std::move(left));
    if (collect_leftovers_ != nullptr) {
      *collect_leftovers_ = leftovers;
    } else if (!HasFailure()) {
      for (const auto& left : leftovers) ADD_FAILURE() << "left behind: " << left;
    }
    Watchdog::instance().end();
  }
  if (!notes_.empty()) RecordProperty(kNotesProperty, notes_);
  if (HasFailure()) std::printf("repeat with SLUICE_SEED=%llu\n", static_cast<unsigned long long>(seed()));
}

// What is left behind for good: helper threads of a link may close their descriptors a moment after it.
std::vector<std::string> Conformance::what_stays() {
  const auto until = Clock::now() + 1s;
  auto left = scratch_->leftovers();
  while (!left.empty() && Clock::now() < until) {
    std::this_thread::sleep_for(10ms);
    left = scratch_->leftovers();
  }
  return left;
}

void Conformance::end_peers(std::vector<std::string>& leftovers) {
  for (auto& peer : peers_) {
    // Peers of a failed test, and those that were killed, are just removed.
    if (peer->has_ended() || HasFailure()) continue;
    if (peer->is_own_process()) {
      // Its destructors run first: what is open after them is a leak.
      if (peer->call("drop-all")) {
        const Reply leaked = peer->call("leaked-descriptors");
        if (leaked.number("count") != 0) leftovers.push_back("descriptors in the peer: " + leaked.text("list"));
      } else {
        continue;  // it was killed
      }
    }
    if (const int status = peer->end(); status != 0)
      leftovers.push_back("a peer that ended with status " + std::to_string(status));
  }
  peers_.clear();
}

Peer& Conformance::start_peer(const std::vector<std::string>& options) {
  Peer::Start start;
  start.options = options;
  return start_peer(std::move(start));
}

Peer& Conformance::start_peer(Peer::Start start) {
  start.endpoint = endpoint_;
  start.seed = seed_;
  start.own_process = !stays_in_one_process();
  auto& peer = *peers_.emplace_back(std::make_unique<Peer>(start));
  if (peer.is_own_process()) {
    EXPECT_NE(peer.pid(), getpid());
    require(peer.call("mark-descriptors"), "mark-descriptors");
  }
  return peer;
}

Pair Conformance::meet(PeerDoes what, const MeetOptions& options) {
  return meet(start_peer(options.peer_options), what, options);
}

Pair Conformance::hand_over(Peer& peer, const MeetOptions& options, const std::string& words) {
  auto end = require(sluice::child_end(endpoint_, {}, options_of(options)), "making an end for the peer");
  const auto claiming = peer.start(
      "inherit deadline=" + std::to_string(patience().count()) + " " + words_of(options) + " " + words, end.launch.handles);
  end.launch = {};
  // A foreign framing has no hello to be waited for.
  if (const auto connected = end.channel.flush(soon()); !connected && connected.error().code != Errc::not_supported)
    throw std::runtime_error("meeting the peer: " + sluice::describe(connected.error()));
  Pair pair{&peer, std::move(end.channel)};
  const Reply claimed = peer.finish(claiming);
  require(claimed, "the peer claims its end");
  check_peer(pair, claimed);
  return pair;
}

bool Conformance::answered_without_names() {
  if (subject().has_names) return false;
  EXPECT_CODE(sluice::listen(endpoint_), Errc::not_supported);
  EXPECT_CODE(sluice::connect(endpoint_, Deadline::now()), Errc::not_supported);
  answer_not_supported();
  return true;
}

Pair Conformance::meet(Peer& peer, PeerDoes what, const MeetOptions& options) {
  if (what == PeerDoes::inherit || !subject().has_names) return hand_over(peer, options);
  if (what == PeerDoes::connect) {
    auto listener = listen(options);
    return {&peer, accept_from(listener, peer, options)};
  }
  require(peer.call("listen " + words_of(options)), "the peer listens");
  scratch_->note_objects();
  const auto accepting = peer.start("accept deadline=" + std::to_string(patience().count()));
  Pair pair{&peer, require(sluice::connect(endpoint_, soon(), options_of(options)), "connecting to the peer")};
  const Reply accepted = peer.finish(accepting);
  require(accepted, "the peer accepts");
  require(peer.call("close-listener"), "the peer stops listening");
  check_peer(pair, accepted);
  return pair;
}

Listener Conformance::listen(const MeetOptions& options) {
  return require(sluice::listen(endpoint_, options_of(options)), "listening");
}

std::optional<Listener> Conformance::listen_if_possible() {
  return subject().has_names ? std::optional{listen()} : std::nullopt;
}

Pair Conformance::meet_at(std::optional<Listener>& listener, Peer& peer, const std::string& words) {
  if (!listener) return hand_over(peer, {}, words);
  return {&peer, accept_from(*listener, peer, {}, words)};
}

Channel Conformance::accept_from(Listener& listener, Peer& peer, const MeetOptions& options, const std::string& words) {
  const auto connecting =
      peer.start("connect deadline=" + std::to_string(patience().count()) + " " + words_of(options) + " " + words);
  auto accepted = listener.accept(soon());
  const Reply connected = peer.finish(connecting);
  if (!connected) require(connected, "the peer connects");
  Pair pair{&peer, require(std::move(accepted), "accepting")};
  check_peer(pair, connected);
  return std::move(pair.channel);
}

// The other end is another process: over the control connection, and by the channel itself where it can tell.
void Conformance::check_peer(const Pair& pair, const Reply& peer_said) const {
  if (stays_in_one_process()) {
    EXPECT_TRUE(pair.channel.traits().one_process);
    EXPECT_FALSE(pair.peer->is_own_process());
    return;
  }
  EXPECT_EQ(name(pair.channel.traits().shape), name(subject().shape()));
  EXPECT_EQ(!pair.channel.traits().fallback.empty(), subject().falls_back()) << pair.channel.traits().fallback;
  ASSERT_NE(pair.peer->pid(), getpid());
  EXPECT_FALSE(pair.channel.traits().one_process);
  if (!pair.channel.traits().identity) return;
  EXPECT_EQ(pair.channel.peer().process_id, pair.peer->pid());
  EXPECT_EQ(pair.channel.peer().user_id, static_cast<std::int64_t>(getuid()));
  EXPECT_EQ(peer_said.number("peer_pid"), static_cast<std::uint64_t>(getpid()));
  EXPECT_EQ(peer_said.text("peer_uid"), std::to_string(getuid()));
}

void Conformance::receive(Channel& channel, const Stream& stream, std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t number = first; number < first + count; ++number) {
    const auto message = channel.receive(soon());
    ASSERT_OK(message) << "message " << number;
    ASSERT_EQ(stream.wrong(number, message->bytes()), "");
  }
}

void Conformance::send(Channel& channel, const Stream& stream, std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t number = first; number < first + count; ++number)
    ASSERT_OK(stream.send(channel, number, soon())) << "message " << number;
}

std::uint64_t Conformance::fill_up(Channel& channel, const Stream& stream) {
  // A link with a helper thread makes room a little later; and TCP may find some when it first asks a closed window again,
  // after 200 ms (RFC 9293, 3.8.6.1; tcp(7)).
  const auto a_while = channel.traits().reach == sluice::Reach::network ? 500ms : 50ms;
  std::uint64_t sent = 0;
  while (true) {
    const auto result = stream.send(channel, sent, a_while);
    if (!result) {
      EXPECT_CODE(result, Errc::timed_out);
      return sent;
    }
    ++sent;
  }
}

std::uint64_t Conformance::affordable(std::uint64_t bytes, double seconds) {
  // ThreadSanitizer: bytes a second, of messages that are made and checked; and how much slower what is slow becomes.
  constexpr std::uint64_t kUnderThreadSanitizer = std::uint64_t{4} << 20;
  constexpr std::uint64_t kSlowedDown = 4;
  std::uint64_t rate = subject().bytes_a_second;
  if (under_thread_sanitizer()) rate = rate == 0 ? kUnderThreadSanitizer : rate / kSlowedDown;
  if (rate == 0) return bytes;
  const auto limit = static_cast<std::uint64_t>(static_cast<double>(rate) * seconds);
  if (limit >= bytes) return bytes;
  note("bytes_instead_of_" + std::to_string(bytes), limit);
  return limit;
}

void Conformance::note(const std::string& key, const std::string& value) {
  if (!notes_.empty()) notes_ += ' ';
  notes_ += key + "=" + value;
}

}  // namespace sluice_test
