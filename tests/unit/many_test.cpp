// Several at a time, over inproc in all its shapes: messages with one call, threads that send in turns, and what an end may
// choose for itself: private copies, and how long it spins.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <optional>
#include <sluice/sluice.hpp>
#include <string>
#include <thread>
#include <vector>

#include "links/system.hpp"
#include "unit/connected_ends.hpp"
#include "unit/random.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::Channel;
using sluice::Deadline;
using sluice::Errc;
using sluice::Message;
using sluice::Options;
using sluice::Outgoing;
using sluice_test::connect_ends;
using sluice_test::Ends;
using sluice_test::kPatience;
using sluice_test::Random;

using Bytes = std::span<const std::byte>;

constexpr auto kAWhile = 50ms;  // a link with a helper thread makes room a little later

std::string text_of(const sluice::Result<Message>& message) {
  return message ? std::string(sluice::as_text(message->bytes())) : std::string(name(message.error().code));
}
std::string code_of(const auto& result) { return result ? "ok" : std::string(name(result.error().code)); }

// Messages to be sent, and what Outgoing borrows.
struct Batch {
  std::vector<std::vector<std::byte>> contents;
  std::vector<std::array<Bytes, 2>> parts;  // each in two
  std::vector<Outgoing> outgoing;

  explicit Batch(std::vector<std::vector<std::byte>> bytes) : contents(std::move(bytes)) {
    parts.reserve(contents.size());
    for (const auto& content : contents) {
      const Bytes whole{content};
      parts.push_back({whole.first(whole.size() / 2), whole.subspan(whole.size() / 2)});
      outgoing.push_back({.parts = parts.back()});
    }
  }
  [[nodiscard]] std::span<const Outgoing> from(std::size_t first) const { return std::span{outgoing}.subspan(first); }
};

Batch small_ones(std::size_t count, std::size_t size = 20) {
  std::vector<std::vector<std::byte>> contents;
  for (std::size_t number = 0; number < count; ++number) contents.emplace_back(size, static_cast<std::byte>(number));
  return Batch{std::move(contents)};
}

class Many : public sluice_test::OverShapes {};

TEST_P(Many, SentWithOneCallArriveInOrder) {
  auto ends = connect_ends(GetParam());
  const auto batch = small_ones(7);
  std::size_t sent = 0;
  while (sent < 7) {
    const auto accepted = ends.first.send_many(batch.from(sent), kPatience);
    ASSERT_TRUE(accepted) << describe(accepted.error());
    ASSERT_GT(*accepted, 0U);
    sent += *accepted;
    std::array<Message, 3> messages;
    for (std::size_t received = sent - *accepted; received < sent;) {
      ends.first.advance();
      const auto count = ends.second.receive_many(messages, Deadline::now());
      if (!count) {
        ASSERT_EQ(count.error().code, Errc::would_block);
        continue;
      }
      for (std::size_t i = 0; i < *count; ++i) ASSERT_TRUE(std::ranges::equal(messages[i].bytes(), batch.contents[received++]));
    }
  }
  EXPECT_EQ(sent, 7U);
  EXPECT_EQ(ends.first.statistics().messages_sent, 7U);
  EXPECT_EQ(ends.first.statistics().bytes_sent, 140U);
  EXPECT_EQ(ends.second.statistics().messages_received, 7U);
  EXPECT_EQ(ends.second.statistics().bytes_received, 140U);
}

TEST_P(Many, MixedSizesThroughAnyNumberOfCalls) {
  auto ends = connect_ends(GetParam() + std::string("&capacity=64K"));
  Random random;
  std::vector<std::vector<std::byte>> contents;
  for (int number = 0; number < 1200; ++number) {
    const auto kind = random.up_to(99);
    contents.push_back(random.bytes(kind == 0 ? random.up_to(200'000) : kind < 10 ? random.up_to(9000) : random.up_to(100)));
  }
  const Batch batch{std::move(contents)};
  std::thread sending([&] {
    for (std::size_t sent = 0; sent < batch.outgoing.size();) {
      const auto some = batch.from(sent).first(std::min(batch.outgoing.size() - sent, 1 + sent * 7 % 90));
      const auto accepted = ends.first.send_many(some, kPatience);
      ASSERT_TRUE(accepted) << describe(accepted.error());
      ASSERT_GT(*accepted, 0U);
      sent += *accepted;
    }
    EXPECT_EQ(code_of(ends.first.flush(kPatience)), "ok");  // the tail, too
    EXPECT_EQ(code_of(ends.first.close(kPatience)), "ok");
  });
  std::vector<Message> messages(5);
  std::size_t received = 0;
  while (true) {
    const auto count = ends.second.receive_many(messages, kPatience);
    if (!count) {
      EXPECT_EQ(count.error().code, Errc::closed);
      break;
    }
    for (std::size_t i = 0; i < *count; ++i) {
      ASSERT_LT(received, batch.contents.size());
      EXPECT_TRUE(std::ranges::equal(messages[i].bytes(), batch.contents[received])) << received;
      ++received;
    }
  }
  EXPECT_EQ(received, batch.contents.size());
  sending.join();
  EXPECT_EQ(ends.first.statistics().known_taken, batch.contents.size());
}

TEST_P(Many, TakesAsManyAsThereIsRoomForAndWaitsForTheFirstAlone) {
  auto ends = connect_ends(GetParam());
  const auto batch = small_ones(100'000);
  std::size_t sent = 0;
  while (true) {
    const auto accepted = ends.first.send_many(batch.from(sent), kAWhile);
    if (!accepted) {
      EXPECT_EQ(accepted.error().code, Errc::timed_out);
      break;
    }
    sent += *accepted;
    ASSERT_LT(sent, batch.outgoing.size());
  }
  EXPECT_EQ(ends.first.statistics().messages_sent, sent);
  EXPECT_EQ(code_of(ends.first.send_many(batch.from(sent), Deadline::now())), "would_block");
  std::thread receiving([&] {
    for (std::size_t number = 0; number < sent + 1; ++number) {
      const auto message = ends.second.receive(kPatience);
      ASSERT_TRUE(message);
      ASSERT_TRUE(std::ranges::equal(message->bytes(), batch.contents[number])) << number;
    }
    while (ends.second.receive(kPatience)) {
    }
  });
  const auto accepted = ends.first.send_many(batch.from(sent), kPatience);
  EXPECT_TRUE(accepted) << describe(accepted.error());
  EXPECT_EQ(code_of(ends.first.close(kPatience)), "ok");
  receiving.join();
}

TEST_P(Many, NoneAtAll) {
  auto ends = connect_ends(GetParam());
  const auto none = ends.first.send_many({}, kPatience);
  ASSERT_TRUE(none);
  EXPECT_EQ(*none, 0U);
  EXPECT_EQ(code_of(ends.second.receive_many({}, kPatience)), "misuse");
  std::array<Message, 2> messages;
  EXPECT_EQ(code_of(ends.second.receive_many(messages, Deadline::now())), "would_block");
  EXPECT_EQ(code_of(ends.second.receive_many(messages, 1ms)), "timed_out");
}

// What is wrong with one of them is told of the first alone; before another one that can't be sent the call ends.
TEST_P(Many, OneThatCannotBeSentEndsTheCallBeforeIt) {
  auto ends = connect_ends(GetParam() + std::string("&max_message=1000"));
  const Batch batch{{std::vector<std::byte>(10), std::vector<std::byte>(20), std::vector<std::byte>(1001)}};
  std::size_t sent = 0;
  while (sent < 2) {
    const auto accepted = ends.first.send_many(batch.from(sent), kPatience);
    ASSERT_TRUE(accepted);
    sent += *accepted;
    while (ends.second.receive(1ms)) ends.first.advance();
  }
  ASSERT_EQ(sent, 2U);
  const auto refused = ends.first.send_many(batch.from(2), kPatience);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::too_large);
  EXPECT_EQ(refused.error().first, 1001);
  EXPECT_EQ(ends.first.statistics().messages_sent, 2U);
}

TEST_P(Many, TheEndIsToldOnce) {
  auto ends = connect_ends(GetParam());
  const auto batch = small_ones(2);
  ASSERT_TRUE(ends.first.send_many(batch.from(0), kPatience));
  std::thread closing([&] { EXPECT_EQ(code_of(ends.first.close(kPatience)), "ok"); });
  std::vector<Message> messages(10);
  std::size_t received = 0;
  sluice::Result<std::size_t> count = std::size_t{0};
  while ((count = ends.second.receive_many(messages, kPatience))) received += *count;
  EXPECT_EQ(count.error().code, Errc::closed);
  EXPECT_LE(received, 2U);
  EXPECT_GE(received, 1U);
  closing.join();
  EXPECT_EQ(code_of(ends.second.send_many(batch.from(0), kPatience)), "closed");
  EXPECT_EQ(code_of(ends.first.send_many(batch.from(0), kPatience)), "closed");
}

// A peer's count that runs ahead of ours by a batch on its way is no lie.
TEST_P(Many, FlushAfterEachBatch) {
  auto ends = connect_ends(GetParam());
  const auto batch = small_ones(64);
  std::thread receiving([&] {
    std::vector<Message> messages(10);
    sluice::Result<std::size_t> count = std::size_t{0};
    std::size_t answered = 0;
    while ((count = ends.second.receive_many(messages, kPatience))) {
      for (std::size_t i = 0; i < *count; ++i, ++answered) {
        if (answered % 16 != 0) continue;
        (void)ends.second.send({}, kPatience);  // its header tells how many were taken; the last may find a closed channel
      }
    }
    EXPECT_EQ(count.error().code, Errc::closed);
  });
  std::thread hearing([&] {
    while (ends.first.receive(kPatience)) {
    }
  });
  for (int round = 0; round < 20; ++round) {
    for (std::size_t sent = 0; sent < 64;) {
      const auto accepted = ends.first.send_many(batch.from(sent), kPatience);
      ASSERT_TRUE(accepted) << describe(accepted.error());
      sent += *accepted;
    }
    ASSERT_EQ(code_of(ends.first.flush(kPatience)), "ok");
  }
  EXPECT_EQ(ends.first.statistics().known_taken, 20U * 64);
  EXPECT_EQ(code_of(ends.first.close(kPatience)), "ok");
  hearing.join();
  receiving.join();
}

TEST_P(Many, HeldMessagesAreReleasedByTheNextCall) {
  auto ends = connect_ends(GetParam() + std::string("&capacity=64K"));
  const auto batch = small_ones(400, 1000);
  std::thread sending([&] {
    for (std::size_t sent = 0; sent < batch.outgoing.size();) {
      const auto accepted = ends.first.send_many(batch.from(sent), kPatience);
      ASSERT_TRUE(accepted) << describe(accepted.error());
      sent += *accepted;
    }
    EXPECT_EQ(code_of(ends.first.close(kPatience)), "ok");
  });
  std::vector<Message> messages(50);
  std::size_t received = 0;
  sluice::Result<std::size_t> count = std::size_t{0};
  while ((count = ends.second.receive_many(messages, kPatience))) received += *count;
  EXPECT_EQ(count.error().code, Errc::closed) << describe(count.error());
  EXPECT_EQ(received, 400U);
  sending.join();
}

// ---- untrusted -----------------------------------------------------------------------------------------------------------

TEST_P(Many, WhoTrustsNobodyGetsPrivateCopies) {
  Options untrusted;
  untrusted.untrusted = true;
  auto ends = connect_ends(GetParam(), {}, untrusted);
  const bool is_ring = std::string_view(GetParam()) == "?link=region";
  for (const std::string_view text : {"", "judged", "again"}) {
    ASSERT_TRUE(ends.first.send(sluice::as_bytes(text), kPatience));
    const auto message = ends.second.receive(kPatience);
    EXPECT_EQ(text_of(message), text);
    EXPECT_FALSE(message->shared());
    ASSERT_TRUE(ends.second.send(sluice::as_bytes("back"), kPatience));
    const auto view = ends.first.receive(kPatience);
    EXPECT_EQ(text_of(view), "back");
    EXPECT_EQ(view->shared(), is_ring) << "the other end decides for itself";
  }
}

TEST_P(Many, PrivateCopiesHoldUpNoRing) {
  Options untrusted;
  untrusted.untrusted = true;
  auto ends = connect_ends(GetParam() + std::string("&capacity=64K"), {}, untrusted);
  std::vector<Message> held;
  const std::vector<std::byte> bytes(1000, std::byte{7});
  for (int number = 0; number < 200; ++number) {
    ASSERT_TRUE(ends.first.send(bytes, kPatience));
    auto message = ends.second.receive(kPatience);
    ASSERT_TRUE(message) << describe(message.error());
    held.push_back(*std::move(message));
  }
  for (const auto& message : held) EXPECT_TRUE(std::ranges::equal(message.bytes(), bytes));
}

// ---- several senders -----------------------------------------------------------------------------------------------------

Ends connect_many(const std::string& shape) { return connect_ends(shape + "&senders=many"); }

TEST_P(Many, SendersTakeTurns) {
  auto ends = connect_many(GetParam());
  constexpr int kSenders = 4;
  constexpr std::size_t kEach = 300;
  std::vector<std::thread> sending;
  for (int sender = 0; sender < kSenders; ++sender) {
    sending.emplace_back([&, sender] {
      for (std::size_t number = 0; number < kEach; ++number) {
        std::vector<std::byte> bytes(number % 97 == 0 ? 20'000 : 8 + number % 40, static_cast<std::byte>(sender));
        std::memcpy(bytes.data() + 1, &number, sizeof(std::uint32_t));
        if (number % 3 == 0) {
          auto loan = ends.first.loan(bytes.size(), kPatience);
          ASSERT_TRUE(loan) << describe(loan.error());
          std::ranges::copy(bytes, loan->bytes().begin());
          ASSERT_EQ(code_of(loan->commit()), "ok");
        } else if (number % 3 == 1) {
          const Bytes part{bytes};
          const Outgoing outgoing{.parts = {&part, 1}};
          const auto sent = ends.first.send_many({&outgoing, 1}, kPatience);
          ASSERT_TRUE(sent) << describe(sent.error());
        } else {
          ASSERT_EQ(code_of(ends.first.send(bytes, kPatience)), "ok");
        }
        if (number % 100 == 0) (void)ends.first.loan(10, kPatience);  // dropped
      }
      EXPECT_EQ(code_of(ends.first.flush(kPatience)), "ok");
    });
  }
  std::array<std::uint32_t, kSenders> next{};
  for (std::size_t received = 0; received < kSenders * kEach; ++received) {
    const auto message = ends.second.receive(kPatience);
    ASSERT_TRUE(message) << describe(message.error());
    const auto sender = std::to_integer<std::size_t>(message->bytes().front());
    std::uint32_t number = 0;
    std::memcpy(&number, message->bytes().data() + 1, sizeof(number));
    ASSERT_LT(sender, next.size());
    EXPECT_EQ(number, next[sender]++) << "of sender " << sender;
  }
  std::thread answering([&] { EXPECT_EQ(text_of(ends.second.receive(kPatience)), "closed"); });
  for (auto& thread : sending) thread.join();
  EXPECT_EQ(code_of(ends.first.close(kPatience)), "ok");
  answering.join();
}

TEST_P(Many, ALoanHoldsTheTurn) {
  auto ends = connect_many(GetParam());
  auto loan = ends.first.loan(5, kPatience).value();
  std::thread other([&] {
    EXPECT_EQ(code_of(ends.first.send({}, Deadline::now())), "would_block");
    EXPECT_EQ(code_of(ends.first.send({}, 1ms)), "timed_out");
    EXPECT_EQ(code_of(ends.first.loan(1, 1ms)), "timed_out");
    EXPECT_EQ(code_of(ends.first.flush(1ms)), "timed_out");
    ends.first.advance();
  });
  other.join();
  EXPECT_EQ(code_of(ends.first.send({}, kPatience)), "misuse") << "it would wait for itself";
  std::thread waiting([&] { EXPECT_EQ(code_of(ends.first.send(sluice::as_bytes("second"), kPatience)), "ok"); });
  std::ranges::copy(sluice::as_bytes("first"), loan.bytes().begin());
  EXPECT_EQ(code_of(loan.commit()), "ok");
  EXPECT_EQ(text_of(ends.second.receive(kPatience)), "first");
  EXPECT_EQ(text_of(ends.second.receive(kPatience)), "second");
  waiting.join();
}

TEST_P(Many, InterruptAndCloseWakeThoseWhoWaitForTheirTurn) {
  auto ends = connect_many(GetParam());
  auto loan = ends.first.loan(5, kPatience).value();
  std::array<std::string, 2> codes;
  std::thread waiting([&] { codes[0] = code_of(ends.first.send({}, kPatience)); });
  ends.first.interrupt();  // the call that waits now, or the next one that would
  waiting.join();
  EXPECT_EQ(codes[0], "interrupted");
  std::thread closed([&] { codes[1] = code_of(ends.first.send({}, kPatience)); });
  std::thread receiving([&] { EXPECT_EQ(text_of(ends.second.receive(kPatience)), "closed"); });
  EXPECT_EQ(code_of(ends.first.close(kPatience)), "ok");
  closed.join();
  receiving.join();
  EXPECT_EQ(codes[1], "closed");
  EXPECT_EQ(code_of(loan.commit()), "closed");
}

TEST_P(Many, AnInterruptIsSpentOnTheOneWhoWaitsForItsTurn) {
  auto ends = connect_many(GetParam());
  {
    const auto loan = ends.first.loan(5, kPatience).value();
    std::atomic<bool> is_in{false};
    std::thread waiting([&] {
      is_in = true;
      EXPECT_EQ(code_of(ends.first.send({}, kPatience)), "interrupted");
    });
    while (!is_in) std::this_thread::yield();
    ends.first.interrupt();
    waiting.join();
  }
  // A wait of the same side is not interrupted once more.
  sluice::Result<void> sent;
  while (sent) sent = ends.first.send(std::vector<std::byte>(5000), kAWhile);
  EXPECT_EQ(code_of(sent), "timed_out");
}

TEST_P(Many, WithoutTheOptionASecondSenderIsMisuse) {
  auto ends = connect_ends(GetParam());
  const std::vector<std::byte> bytes(5000);
  while (ends.first.send(bytes, kAWhile)) {
  }
  std::string waited;
  std::thread waiting([&] {
    do {
      waited = code_of(ends.first.send(bytes, kPatience));
    } while (waited == "misuse");  // it came upon a flush
  });
  while (code_of(ends.first.flush(Deadline::now())) != "misuse") std::this_thread::yield();
  ends.first.interrupt();
  waiting.join();
  EXPECT_EQ(waited, "interrupted");
}

// ---- spin ----------------------------------------------------------------------------------------------------------------

std::chrono::nanoseconds processor_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// How much processor time a call takes that waits in vain for a while.
std::chrono::nanoseconds time_of_wait(Channel& channel) {
  const auto before = processor_time();
  EXPECT_EQ(code_of(channel.receive(100ms)), "timed_out");
  return processor_time() - before;
}

TEST_P(Many, SpinsAsLongAsItWasTold) {
  if (sluice::links::all_processors() < 2) GTEST_SKIP() << "nobody spins on a single processor";
  auto ends = connect_ends(GetParam() + std::string("&spin=0"));
  auto spinning = connect_ends(GetParam() + std::string("&spin=30000"));
  // The time of a thread that spins by the clock is less where others run meanwhile: of several tries one goes well.
  std::chrono::nanoseconds still{1h};
  std::chrono::nanoseconds longest{0};
  const Deadline patience{kPatience};
  while (longest < still + 2ms && !patience.has_passed()) {
    still = std::min(still, time_of_wait(ends.first));
    longest = std::max(longest, time_of_wait(spinning.first));
  }
  EXPECT_GE(longest, still + 2ms);
  EXPECT_LT(longest, 60ms) << "it spins 30 ms of the 100 ms";
}

TEST_P(Many, SpinningIsInterrupted) {
  Options patient;
  patient.spin = 60s;
  auto ends = connect_ends(GetParam(), patient, {});
  std::thread waiting([&] { EXPECT_EQ(code_of(ends.first.receive(kPatience)), "interrupted"); });
  ends.first.interrupt();
  waiting.join();
  std::thread told([&] { EXPECT_EQ(code_of(ends.first.receive(kPatience)), "closed"); });
  (void)ends.first.close(Deadline::now());
  told.join();
}

INSTANTIATE_TEST_SUITE_P(Shapes, Many, sluice_test::every_shape(), sluice_test::name_of_shape);

}  // namespace
