// Where shared memory can't be made or taken, a mechanism that can do without stays on the connection on which the two have
// met: it works as ever, handles and death included, and says why. Both ends are held to limits of their own, as containers and
// policies would do.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "conformance.hpp"
#include "handles.hpp"

namespace sluice_test {
namespace {

// What the trace has told: of our end by Options::trace, of the peer's by SLUICE_TRACE, a file of its own.
class Told {
 public:
  explicit Told(const std::string& folder) : file_(folder + "/trace") {}
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;
  ~Told() { std::filesystem::remove(file_); }

  [[nodiscard]] Peer::Start peer() const {
    Peer::Start start;
    start.environment = {"SLUICE_TRACE=" + file_};
    return start;
  }
  [[nodiscard]] sluice::Options options() {
    sluice::Options options;
    options.trace = [this](std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
    };
    return options;
  }
  // Behind the endpoint in each line of that event: `sluice PID MILLISECONDS EVENT ENDPOINT: WORDS`.
  [[nodiscard]] std::vector<std::string> ours(const std::string& event) const {
    const std::lock_guard lock(mutex_);
    return words_of(lines_, event);
  }
  [[nodiscard]] std::vector<std::string> theirs(const std::string& event) const {
    std::ifstream file(file_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return words_of(lines, event);
  }

 private:
  static std::vector<std::string> words_of(const std::vector<std::string>& lines, const std::string& event) {
    std::vector<std::string> words;
    for (const auto& line : lines)
      if (line.find(" " + event + " ") != line.npos) words.push_back(line.substr(line.find(": ") + 2));
    return words;
  }

  std::string file_;
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

// Those that promise a region and can do without one.
std::vector<Subject> fallers() {
  std::vector<Subject> all;
  for (const auto& subject : subjects()) {
    const auto row = row_of(subject);
    const bool can = row.link.find("region") != row.link.npos && row.link.find("stream") != row.link.npos;
    if (can && !row.traits.one_process && !subject.falls_back()) all.push_back(subject);
  }
  return all;
}

class FallingBack : public Conformance {
 protected:
  FallingBack() : Conformance(1) {}

  // Larger than what the limits below leave; nobody touches it.
  static constexpr std::size_t kCapacity = std::size_t{256} << 20;
  static constexpr std::uint64_t kLeft = std::uint64_t{128} << 20;

  static void limit(const Peer& peer, __rlimit_resource resource, std::uint64_t bytes) {
    rlimit now{};
    ASSERT_EQ(::prlimit(peer.pid(), resource, nullptr, &now), 0);
    const rlimit tight{bytes, now.rlim_max};
    ASSERT_EQ(::prlimit(peer.pid(), resource, &tight, nullptr), 0);
  }
  // Address space that this much more fits into.
  static void limit_address_space(const Peer& peer, std::uint64_t left) {
    std::ifstream pages("/proc/" + std::to_string(peer.pid()) + "/statm");
    std::uint64_t size = 0;
    pages >> size;
    limit(peer, RLIMIT_AS, size * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) + left);
  }

  // A peer that listens and is limited; the channel to it.
  template <class Limit>
  Channel connect_to_limited(Peer& peer, Told& told, Limit limit_it) {
    EXPECT_DONE(peer.call("listen capacity=" + std::to_string(kCapacity)));
    limit_it();
    const auto accepting = peer.start("accept deadline=10000");
    auto channel = sluice::connect(endpoint(), soon(), told.options());
    const Reply accepted = peer.finish(accepting);
    EXPECT_DONE(accepted);
    EXPECT_EQ(accepted.text("shape"), "stream");
    EXPECT_EQ(accepted.number("falls_back"), 1U);
    EXPECT_DONE(peer.call("close-listener"));  // a killed one would leave its socket to the next that listens
    return std::move(channel).value();
  }

  // Both ends, once, and the same reason: the peer lacks something.
  static void expect_to_be_told(const Told& told, const Channel& channel) {
    EXPECT_EQ(told.ours("fell-back"), std::vector{std::string(channel.traits().fallback)});
    auto theirs = told.theirs("fell-back");
    ASSERT_EQ(theirs.size(), 1U);
    const auto at = theirs[0].find("this end");
    ASSERT_NE(at, std::string::npos) << theirs[0];
    EXPECT_EQ(theirs[0].replace(at, std::string_view("this end").size(), "the other end"), channel.traits().fallback);
  }

  void expect_to_work(Peer& peer, Channel& channel) {
    EXPECT_EQ(name(channel.traits().shape), "stream");
    EXPECT_NE(channel.traits().fallback.find("the other end"), std::string_view::npos) << channel.traits().fallback;
    note("fallback", [&] {
      std::string words(channel.traits().fallback);
      std::ranges::replace(words, ' ', '_');
      return words;
    }());
    EXPECT_TRUE(channel.traits().handles);
    EXPECT_TRUE(channel.traits().lobby);
    EXPECT_EQ(channel.traits().capacity, 0U);
    const auto receiving = peer.start("receive mixed=100000 handles=mixed count=20");
    for (std::uint64_t number = 0; number < 20; ++number) {
      const auto ours = stream({0, 100'000});
      const auto bytes = ours.message(number);
      const auto handles = make_handles(HandleCounts::of("mixed"), ours.seed, number);
      const std::span<const std::byte> part{bytes};
      ASSERT_OK(channel.send({.parts = {&part, 1}, .handles = handles}, Deadline::never()));
    }
    EXPECT_DONE(peer.finish(receiving));
    const auto sending = peer.start("send size=1000000 count=3");
    receive(channel, stream({1'000'000}), 0, 3);
    EXPECT_DONE(peer.finish(sending));
  }

  void expect_death(Peer& peer, Channel& channel) {
    EXPECT_DONE(peer.call("send size=1000 handles=2 count=3"));
    peer.kill();
    for (int message = 0; message < 3; ++message) {
      const auto received = channel.receive(soon());
      ASSERT_OK(received);
      EXPECT_EQ(received->handles().size(), 2U);
    }
    EXPECT_CODE(channel.receive(soon()), Errc::peer_died);
  }
};
INSTANTIATE_TEST_SUITE_P(Promise1, FallingBack, testing::ValuesIn(fallers()), label_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FallingBack);

// Where an option asks for it, at either end or at both: it is told at both, and nothing where nobody asks.
TEST_P(FallingBack, IsToldAtBothEndsWhereAnOptionAsksForIt) {
  const auto forced = std::ranges::find_if(
      subjects(), [&](const Subject& other) { return other.mechanism == subject().mechanism && other.falls_back(); });
  ASSERT_NE(forced, subjects().end()) << "no option forces it";
  const std::string stream = endpoint() + "?" + forced->options;
  const std::string by_us = forced->options + " asks for it at this end";
  const std::string by_them = forced->options + " asks for it at the other end";
  struct Round {
    std::string listening;
    std::string connecting;
    std::vector<std::string> ours;
    std::vector<std::string> theirs;
  };
  const std::vector<Round> rounds{
      {endpoint(), endpoint(), {}, {}},
      {stream, endpoint(), {by_us}, {by_them}},
      {endpoint(), stream, {by_them}, {by_us}},
      {stream, stream, {by_us}, {by_them}},
  };
  for (const auto& round : rounds) {
    SCOPED_TRACE(round.listening + " and " + round.connecting);
    Told told(scratch().folder());
    auto& peer = start_peer(told.peer());
    auto listener = sluice::listen(round.listening, told.options()).value();
    const auto connecting = peer.start("connect deadline=10000 endpoint=" + round.connecting);
    auto channel = listener.accept(soon());
    const Reply connected = peer.finish(connecting);
    ASSERT_DONE(connected);
    ASSERT_OK(channel);
    EXPECT_EQ(connected.text("shape"), round.theirs.empty() ? "region" : "stream");
    EXPECT_EQ(told.ours("connected").size(), 1U);
    EXPECT_EQ(told.theirs("connected").size(), 1U);
    EXPECT_EQ(told.ours("fell-back"), round.ours);
    EXPECT_EQ(told.theirs("fell-back"), round.theirs);
    peer.kill();  // it keeps its trace open, which would look like a leak
    EXPECT_CODE(channel->receive(soon()), Errc::peer_died);
  }
}

TEST_P(FallingBack, WhereTheListenerMayMakeNoMemory) {
  Told told(scratch().folder());
  auto& peer = start_peer(told.peer());
  auto channel = connect_to_limited(peer, told, [&] { limit(peer, RLIMIT_FSIZE, 65'536); });
  expect_to_be_told(told, channel);
  expect_to_work(peer, channel);
  expect_death(peer, channel);
}

TEST_P(FallingBack, WhereTheListenerCanMapNone) {
  if (under_sanitizer()) GTEST_SKIP() << "a sanitizer needs all of the address space";
  Told told(scratch().folder());
  auto& peer = start_peer(told.peer());
  auto channel = connect_to_limited(peer, told, [&] { limit_address_space(peer, kLeft); });
  expect_to_be_told(told, channel);
  expect_to_work(peer, channel);
  expect_death(peer, channel);
}

TEST_P(FallingBack, WhereTheConnectingSideCanMapNone) {
  if (under_sanitizer()) GTEST_SKIP() << "a sanitizer needs all of the address space";
  Told told(scratch().folder());
  auto options = told.options();
  options.capacity = kCapacity;
  auto listener = sluice::listen(endpoint(), options).value();
  auto& peer = start_peer(told.peer());
  limit_address_space(peer, kLeft);
  const auto before = descriptors_of(getpid()).size();
  {
    const auto connecting = peer.start("connect deadline=10000");
    auto channel = listener.accept(soon());
    const Reply connected = peer.finish(connecting);
    ASSERT_DONE(connected);
    EXPECT_EQ(connected.text("shape"), "stream");
    EXPECT_EQ(connected.number("falls_back"), 1U);
    ASSERT_OK(channel);
    expect_to_be_told(told, *channel);
    expect_to_work(peer, *channel);
    expect_death(peer, *channel);
  }
  EXPECT_EQ(descriptors_of(getpid()).size(), before) << "what was made and not taken is gone";
}

}  // namespace
}  // namespace sluice_test
