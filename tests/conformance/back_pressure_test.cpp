// Promise 3: a sender that is ahead waits; nothing is dropped, and no buffer grows without bound.
#include <unistd.h>

#include "conformance.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(BackPressure, 3);

// What a channel and its two ends may hold of messages of one size: what the link holds, twice (each side's buffers), two
// messages (a tail, and one that is being made), and a bit for what an allocator keeps. Where the channel can't tell what its
// link holds, its row can; where the system decides, 1 MiB is more than a socket takes (net.core.wmem_default: some 200 KiB).
std::uint64_t bound_of(const sluice::Traits& channel, const sluice::Traits& row, std::uint64_t size) {
  constexpr std::uint64_t kSystemDecides = std::uint64_t{1} << 20;
  constexpr std::uint64_t kSlack = std::uint64_t{2} << 20;
  const bool is_told = channel.capacity != 0 || row.capacity != 0;
  const std::uint64_t capacity = channel.capacity != 0 ? channel.capacity : row.capacity;
  return 2 * (is_told ? capacity : kSystemDecides) + 2 * size + kSlack;
}

// Sends until nothing goes in any more: how many were accepted. It must end within the bound.
std::uint64_t fill(Channel& channel, const Stream& stream, std::uint64_t size, std::uint64_t bound) {
  std::uint64_t accepted = 0;
  while (true) {
    const auto sent = stream.send(channel, accepted, 100ms);
    if (!sent) {
      EXPECT_CODE(sent, Errc::timed_out);
      return accepted;
    }
    ++accepted;
    if (size != 0 && accepted * size > bound) {
      ADD_FAILURE() << accepted << " messages of " << size << " bytes were accepted: more than a bounded channel holds";
      return accepted;
    }
  }
}

TEST_P(BackPressure, OfAStoppedPeerBoundsTheSender) {
  auto pair = meet();
  if (!pair.peer->is_own_process()) return answer_one_process();
  constexpr std::uint64_t kSize = 1 << 20;
  const Stream large = stream({kSize});
  pair.peer->stop();
  const std::uint64_t before = resident_bytes(getpid());
  const std::uint64_t bound = bound_of(pair.channel.traits(), traits(), kSize);
  std::uint64_t accepted = fill(pair.channel, large, kSize, bound);
  // Again and again: each attempt fails, and costs nothing that stays. Or the system has found room meanwhile, as TCP may when
  // it asks a closed window again: that is bounded, too.
  for (int attempt = 0; attempt < 40; ++attempt) {
    const bool waits = attempt % 2 == 0;
    const auto sent = large.send(pair.channel, accepted, waits ? Deadline{2ms} : Deadline::now());
    if (sent && pair.channel.traits().reach == sluice::Reach::network) {
      ++accepted;
      ASSERT_LE(accepted * kSize, bound);
    } else {
      EXPECT_CODE(sent, waits ? Errc::timed_out : Errc::would_block);
    }
  }
  const std::uint64_t after = resident_bytes(getpid());
  note("accepted_mebibytes", accepted);
  note("sender_grew_kibibytes", (after > before ? after - before : 0) / 1024);
  // Under a sanitizer its shadow memory grows, too.
  if (!under_sanitizer()) {
    EXPECT_LT(after, before + bound_of(pair.channel.traits(), traits(), kSize));
  }
  // A peer that is merely stopped is not dead.
  EXPECT_FALSE(pair.channel.ended());
  EXPECT_CODE(pair.channel.receive(50ms), Errc::timed_out);
  pair.peer->resume();
  const auto receiving = pair.peer->start("receive size=1048576 count=" + std::to_string(accepted + 3));
  send(pair.channel, large, accepted, 3);
  EXPECT_DONE(pair.peer->finish(receiving));
}

TEST_P(BackPressure, OfAPeerThatDoesNotReceive) {
  for (const std::size_t size : {0U, 1U, 100U, 5000U, 200'000U}) {
    auto pair = meet(size % 2 == 0 ? PeerDoes::connect : PeerDoes::listen);
    // An empty message still costs its record: count it as one byte.
    const std::uint64_t counted = std::max<std::uint64_t>(size, 1);
    const std::uint64_t accepted =
        fill(pair.channel, stream({size}), counted, bound_of(pair.channel.traits(), traits(), counted));
    note("accepted_of_" + std::to_string(size), accepted);
    EXPECT_GT(accepted, 0U);
    const std::string words = " size=" + std::to_string(size);
    const auto receiving = pair.peer->start("receive count=" + std::to_string(accepted + 1) + words);
    send(pair.channel, stream({size}), accepted, 1);
    EXPECT_DONE(pair.peer->finish(receiving));
    EXPECT_FAILED(pair.peer->call("receive deadline=now"), Errc::would_block);
  }
}

TEST_P(BackPressure, OfOurselvesStopsThePeer) {
  auto pair = meet();
  constexpr std::uint64_t kSize = 100'000;
  const Reply filled = pair.peer->call("send deadline=100 count=100000 size=" + std::to_string(kSize));
  EXPECT_FAILED(filled, Errc::timed_out);
  const std::uint64_t accepted = filled.number("sent");
  EXPECT_LT(accepted * kSize, bound_of(pair.channel.traits(), traits(), kSize));
  const std::uint64_t before = resident_bytes(getpid());
  // Calls that look but don't take must not make this end collect what arrives.
  for (int call = 0; call < 50; ++call) pair.channel.advance();
  EXPECT_LT(resident_bytes(getpid()), before + bound_of(pair.channel.traits(), traits(), kSize));
  const auto sending = pair.peer->start("send count=5 size=100000 first=" + std::to_string(accepted));
  receive(pair.channel, stream({kSize}), 0, accepted + 5);
  EXPECT_DONE(pair.peer->finish(sending));
}

TEST_P(BackPressure, HeldMessagesHoldUpTheSenderAndSaySo) {
  auto pair = meet();
  constexpr std::size_t kSize = 10'000;
  constexpr std::uint64_t kCount = 2000;
  const auto sending = pair.peer->start("send count=" + std::to_string(kCount) + " size=" + std::to_string(kSize));
  std::vector<sluice::Message> held;
  const Stream fixed = stream({kSize});
  std::uint64_t received = 0;
  std::uint64_t times_held = 0;
  bool lie_in_the_channel = false;
  // Where messages lie in the channel itself, holding them all must end in `held`, not in a wait for ever.
  while (received < kCount) {
    auto message = pair.channel.receive(soon());
    if (!message) {
      ASSERT_CODE(message, Errc::held);
      if (times_held++ == 0) note("held_after", received);
      ASSERT_FALSE(held.empty()) << "nothing is held";
      held.clear();
      continue;
    }
    ASSERT_EQ(fixed.wrong(received, message->bytes()), "");
    lie_in_the_channel = lie_in_the_channel || message->shared();
    held.push_back(*std::move(message));
    ++received;
  }
  note("times_held", times_held);
  if (lie_in_the_channel) {
    ASSERT_GT(kCount * kSize, pair.channel.traits().capacity);
    EXPECT_GT(times_held, 0U);
  }
  EXPECT_DONE(pair.peer->finish(sending));
}

TEST_P(BackPressure, ASlowReceiverGetsEverything) {
  auto pair = meet();
  const std::uint64_t count = scaled(300, 30);
  const auto sending = pair.peer->start("send mixed=20000 count=" + std::to_string(count));
  for (std::uint64_t number = 0; number < count; ++number) {
    if (number % 50 == 0) std::this_thread::sleep_for(20ms);
    receive(pair.channel, stream({0, 20'000}), number, 1);
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_DONE(pair.peer->finish(sending));
}

}  // namespace
}  // namespace sluice_test
