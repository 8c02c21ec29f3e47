// Where shared memory can't be made or taken, a mechanism that can do without stays on the connection on which the two have
// met: it works as ever, handles and death included, and says why. Both ends are held to limits of their own, as containers and
// policies would do.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "conformance.hpp"
#include "handles.hpp"

namespace sluice_test {
namespace {

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
  Channel connect_to_limited(Peer& peer, Limit limit_it) {
    EXPECT_DONE(peer.call("listen capacity=" + std::to_string(kCapacity)));
    limit_it();
    const auto accepting = peer.start("accept deadline=10000");
    auto channel = sluice::connect(endpoint(), soon());
    const Reply accepted = peer.finish(accepting);
    EXPECT_DONE(accepted);
    EXPECT_EQ(accepted.text("shape"), "stream");
    EXPECT_EQ(accepted.number("falls_back"), 1U);
    EXPECT_DONE(peer.call("close-listener"));  // a killed one would leave its socket to the next that listens
    return std::move(channel).value();
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

TEST_P(FallingBack, WhereTheListenerMayMakeNoMemory) {
  auto& peer = start_peer();
  auto channel = connect_to_limited(peer, [&] { limit(peer, RLIMIT_FSIZE, 65'536); });
  expect_to_work(peer, channel);
  expect_death(peer, channel);
}

TEST_P(FallingBack, WhereTheListenerCanMapNone) {
  if (under_sanitizer()) GTEST_SKIP() << "a sanitizer needs all of the address space";
  auto& peer = start_peer();
  auto channel = connect_to_limited(peer, [&] { limit_address_space(peer, kLeft); });
  expect_to_work(peer, channel);
  expect_death(peer, channel);
}

TEST_P(FallingBack, WhereTheConnectingSideCanMapNone) {
  if (under_sanitizer()) GTEST_SKIP() << "a sanitizer needs all of the address space";
  MeetOptions options;
  options.capacity = kCapacity;
  auto listener = listen(options);
  auto& peer = start_peer();
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
    expect_to_work(peer, *channel);
    expect_death(peer, *channel);
  }
  EXPECT_EQ(descriptors_of(getpid()).size(), before) << "what was made and not taken is gone";
}

}  // namespace
}  // namespace sluice_test
