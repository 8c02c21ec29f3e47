// Promise 1: a message of 0 … max_message bytes arrives whole, or not at all.
#include <set>

#include "conformance.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(WholeMessages, 1);

constexpr std::size_t kMebibyte = std::size_t{1} << 20;

// Where one message becomes one more packet, record or piece, as the library's own arithmetic has it: the last size that still
// fits, and its neighbours. These are exchanged whatever the budget says.
std::set<std::size_t> limits_of(const sluice::Traits& traits, std::size_t limit) {
  constexpr std::size_t kPacketHead = 12;         // header and sequence number (core/packet_records.hpp)
  constexpr std::size_t kKeptInRing = 264;        // header, and what is kept for control records (RingWriter::whole_limit)
  constexpr std::size_t kStreamPayload = 65'536;  // kMaxStreamPayload (core/stream_records.hpp)
  std::set<std::size_t> sizes{0, 1};
  const auto add_around = [&](std::size_t size) {
    for (const std::size_t near : {size - 1, size, size + 1})
      if (size != 0 && near <= limit) sizes.insert(near);
  };
  for (std::size_t parts = 1; parts <= 3; ++parts) {
    if (traits.packet_size > kPacketHead) add_around(parts * (traits.packet_size - kPacketHead));
    if (traits.shape == sluice::Shape::stream) add_around(parts * kStreamPayload);
  }
  if (traits.capacity != 0) {
    add_around(traits.capacity / 2 - kKeptInRing);  // the largest that lies whole in the ring
    constexpr std::size_t kPieces = 8;              // RingWriter::piece_limit
    for (std::size_t pieces = kPieces / 2; pieces <= kPieces; ++pieces) add_around(pieces * (traits.capacity / kPieces));
  }
  return sizes;
}

// Sizes at which something else inside may change: headers, alignment, laps of a ring. Powers of two and their neighbours catch
// what nobody thought of.
std::set<std::size_t> telling_sizes(const sluice::Traits& traits, std::size_t limit) {
  constexpr std::size_t kLargestPower = 22;
  std::set<std::size_t> sizes{0, 1, 2, 3};
  const auto add_around = [&](std::size_t size) {
    for (const std::size_t less : {0U, 1U, 7U, 8U, 9U, 12U, 13U, 16U, 20U, 263U, 264U, 265U, 272U})
      if (less <= size) sizes.insert(size - less);
    for (const std::size_t more : {1U, 8U}) sizes.insert(size + more);
  };
  for (std::size_t power = 2; power <= kLargestPower; ++power) add_around(std::size_t{1} << power);
  for (std::size_t packets = 1; packets <= 3; ++packets) add_around(packets * traits.packet_size);
  for (const std::size_t part : {1U, 2U, 4U, 8U}) add_around(traits.capacity / part);
  add_around(2 * traits.capacity);
  while (!sizes.empty() && *sizes.rbegin() > limit) sizes.erase(std::prev(sizes.end()));
  return sizes;
}

class Exchange {
 public:
  Exchange(Pair& pair, std::uint64_t seed) : pair_(pair), seed_(seed) {}

  // One message of that size, there and back.
  void operator()(std::size_t size) {
    const std::string words = " size=" + std::to_string(size) + " first=" + std::to_string(number_);
    const Stream stream{seed_ ^ mix(0), {size}};
    const auto receiving = pair_.peer->start("receive" + words);
    ASSERT_OK(stream.send(pair_.channel, number_, patience()));
    const Reply received = pair_.peer->finish(receiving);
    ASSERT_TRUE(received.done) << "to the peer: " << received;
    const auto sending = pair_.peer->start("send" + words);
    const auto message = pair_.channel.receive(patience());
    ASSERT_OK(message);
    ASSERT_EQ(stream.wrong(number_, message->bytes()), "");
    EXPECT_DONE(pair_.peer->finish(sending));
    ++number_;
  }

 private:
  Pair& pair_;
  std::uint64_t seed_;
  std::uint64_t number_{0};
};

TEST_P(WholeMessages, OfEverySizeAroundInternalLimits) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    Exchange exchange(pair, test_seed());
    const std::size_t limit = affordable(8 * kMebibyte, 0.5);
    const auto limits = limits_of(pair.channel.traits(), limit);
    const auto others = telling_sizes(pair.channel.traits(), limit);
    std::uint64_t exchanged = 0;
    for (const std::size_t size : limits) {
      exchange(size);
      ASSERT_FALSE(HasFailure()) << "size " << size;
      ++exchanged;
    }
    std::uint64_t total = 0;
    const std::uint64_t budget = affordable(scaled(512, 64) * kMebibyte, 4);
    for (const std::size_t size : others) {
      if (limits.contains(size)) continue;
      if (total += 2 * size; total > budget) break;
      exchange(size);
      ASSERT_FALSE(HasFailure()) << "size " << size;
      ++exchanged;
    }
    if (what == PeerDoes::listen) {
      note("sizes", exchanged);
      note("sizes_at_limits", limits.size());
    }
  }
}

TEST_P(WholeMessages, OfOneMebibyte) {
  auto pair = meet();
  Exchange exchange(pair, test_seed());
  exchange(affordable(kMebibyte));
}

TEST_P(WholeMessages, OfTheLargestDefaultSize) {
  auto pair = meet();
  EXPECT_EQ(pair.channel.traits().max_message, 64 * kMebibyte);
  Exchange exchange(pair, test_seed());
  exchange(affordable(64 * kMebibyte));
}

TEST_P(WholeMessages, LargerThanTheLimitAreRefusedAndNothingIsSent) {
  constexpr std::size_t kLimit = 100'000;
  auto pair = meet(PeerDoes::connect, {.max_message = kLimit, .capacity = {}, .peer_options = {}});
  EXPECT_EQ(pair.channel.traits().max_message, kLimit);
  const std::vector<std::byte> too_large(kLimit + 1);
  const auto refused = pair.channel.send(too_large, soon());
  ASSERT_CODE(refused, Errc::too_large);
  EXPECT_EQ(refused.error().first, static_cast<std::int64_t>(kLimit + 1));
  EXPECT_EQ(refused.error().second, static_cast<std::int64_t>(kLimit));
  EXPECT_FAILED(pair.peer->call("send size=" + std::to_string(kLimit + 1)), Errc::too_large);
  Exchange exchange(pair, test_seed());
  exchange(kLimit);
  exchange(0);
}

TEST_P(WholeMessages, TheSmallerLimitOfBothEndsHolds) {
  if (answered_without_names()) return;
  constexpr std::size_t kSmaller = 5000;
  auto listener = listen({.max_message = kSmaller, .capacity = {}, .peer_options = {}});
  auto& peer = start_peer();
  Pair pair{&peer, accept_from(listener, peer)};
  EXPECT_EQ(pair.channel.traits().max_message, kSmaller);
  EXPECT_FAILED(peer.call("send size=" + std::to_string(kSmaller + 1)), Errc::too_large);
  Exchange exchange(pair, test_seed());
  exchange(kSmaller);
}

TEST_P(WholeMessages, ALargerLimitCanBeAskedFor) {
  const std::size_t size = affordable(80 * kMebibyte);
  if (size < 80 * kMebibyte) return note("skipped_part", "too slow for a message above 64 MiB");
  auto pair = meet(PeerDoes::connect, {.max_message = size, .capacity = {}, .peer_options = {}});
  EXPECT_EQ(pair.channel.traits().max_message, size);
  Exchange exchange(pair, test_seed());
  exchange(size);
}

TEST_P(WholeMessages, GatheredFromParts) {
  auto pair = meet();
  std::uint64_t number = 0;
  for (const std::size_t size : {0U, 1U, 2U, 1000U, 70'000U, 300'000U}) {
    const Stream whole = stream({size});
    const auto bytes = whole.message(number);
    const auto parts = std::span(bytes);
    const std::string words = " size=" + std::to_string(size) + " first=" + std::to_string(number);
    const auto receiving = pair.peer->start("receive" + words);
    EXPECT_OK(pair.channel.send({parts.first(size / 5), parts.first(0), parts.subspan(size / 5)}, soon()));
    EXPECT_DONE(pair.peer->finish(receiving));
    const auto sending = pair.peer->start("send parts=1" + words);
    receive(pair.channel, whole, number, 1);
    EXPECT_DONE(pair.peer->finish(sending));
    ++number;
  }
}

TEST_P(WholeMessages, IntoTheCallersMemory) {
  auto pair = meet();
  constexpr std::size_t kSize = 30'000;
  const Stream fixed = stream({kSize});
  const auto sending = pair.peer->start("send count=2 size=" + std::to_string(kSize));
  std::vector<std::byte> room(kSize);
  const auto small = pair.channel.receive_into(std::span(room).first(kSize - 1), soon());
  ASSERT_CODE(small, Errc::too_large);
  EXPECT_EQ(small.error().first, static_cast<std::int64_t>(kSize));
  // The message stays: whichever call comes next gets it.
  const auto fits = pair.channel.receive_into(room, soon());
  ASSERT_OK(fits);
  EXPECT_EQ(fits->size, kSize);
  EXPECT_EQ(fixed.wrong(0, room), "");
  EXPECT_CODE(pair.channel.receive_into({}, soon()), Errc::too_large);
  receive(pair.channel, fixed, 1, 1);
  EXPECT_DONE(pair.peer->finish(sending));
}

}  // namespace
}  // namespace sluice_test
