// Loans over inproc in all its shapes: what is written in place arrives, what is dropped does not, and nothing that becomes due
// while one is out has to wait for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "unit/connected_ends.hpp"
#include "unit/random.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::Channel;
using sluice::Deadline;
using sluice::Errc;
using sluice::Loan;
using sluice_test::connect_ends;
using sluice_test::kPatience;
using sluice_test::Random;

class Loans : public sluice_test::OverShapes {
 protected:
  [[nodiscard]] bool is_ring() const { return std::string_view(GetParam()) == "?link=region"; }
};

std::string text_of(const sluice::Result<sluice::Message>& message) {
  return message ? std::string(sluice::as_text(message->bytes())) : std::string(name(message.error().code));
}
std::string code_of(const auto& result) { return result ? "ok" : std::string(name(result.error().code)); }

void expect_closed(Loan loan) { EXPECT_EQ(code_of(loan.commit()), "closed"); }
void write(const Loan& loan, std::string_view text) { std::ranges::copy(sluice::as_bytes(text), loan.bytes().begin()); }

// What becomes a tail needs its sender's calls.
void receive_all(Channel& from, Channel& by, const std::vector<std::vector<std::byte>>& expected) {
  std::atomic<bool> is_over{false};
  std::thread moving([&] {
    EXPECT_EQ(code_of(from.flush(kPatience)), "ok");
    is_over = true;
  });
  for (const auto& bytes : expected) {
    const auto message = by.receive(kPatience);
    EXPECT_TRUE(message) << describe(message.error());
    EXPECT_TRUE(message && std::ranges::equal(message->bytes(), bytes)) << "of " << bytes.size() << " bytes";
  }
  while (!is_over) EXPECT_EQ(code_of(by.receive(1ms)), "timed_out");  // answers the flush
  moving.join();
}

TEST_P(Loans, WhatIsWrittenArrives) {
  auto ends = connect_ends(GetParam());
  Random random;
  std::uint64_t messages = 0;
  std::uint64_t sum = 0;
  for (const std::size_t size : {0U, 1U, 7U, 8U, 64U, 1000U, 65'528U, 65'529U, 200'000U, 3'000'000U}) {
    if (size > 70'000 && sluice_test::is_slow_here(GetParam())) continue;
    const auto bytes = random.bytes(size);
    auto loan = ends.first.loan(size, kPatience);
    ASSERT_TRUE(loan) << describe(loan.error());
    ASSERT_EQ(loan->bytes().size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(loan->bytes().data()) % 8, 0U);
    std::ranges::copy(bytes, loan->bytes().begin());
    EXPECT_EQ(code_of(loan->commit()), "ok");
    EXPECT_TRUE(loan->bytes().empty());
    receive_all(ends.first, ends.second, {bytes});
    if (HasFatalFailure()) return;
    ++messages;
    sum += size;
  }
  const auto counted = ends.first.statistics();
  EXPECT_GE(messages, 8U);
  EXPECT_EQ(counted.messages_sent, messages);
  EXPECT_EQ(counted.known_taken, messages);
  EXPECT_EQ(counted.bytes_sent, sum);
}

TEST_P(Loans, InARingTheReceiverSeesTheVeryBytes) {
  auto ends = connect_ends(GetParam());
  auto loan = ends.first.loan(5, kPatience).value();
  write(loan, "there");
  const auto* const place = loan.bytes().data();
  ASSERT_TRUE(loan.commit());
  const auto message = ends.second.receive(kPatience);
  EXPECT_EQ(text_of(message), "there");
  EXPECT_EQ(message->bytes().data() == place, is_ring());
}

TEST_P(Loans, TheFirstBytesAloneMaySuffice) {
  auto ends = connect_ends(GetParam());
  for (const std::size_t size : {1000U, 300'000U}) {
    auto loan = ends.first.loan(size, kPatience).value();
    write(loan, "short, and more");
    EXPECT_EQ(code_of(loan.commit(5)), "ok");
    EXPECT_EQ(text_of(ends.second.receive(kPatience)), "short");
    auto none = ends.first.loan(size, kPatience).value();
    EXPECT_EQ(code_of(none.commit(0)), "ok");
    EXPECT_EQ(text_of(ends.second.receive(kPatience)), "");
    ASSERT_TRUE(ends.first.send(sluice::as_bytes("next"), kPatience));
    EXPECT_EQ(text_of(ends.second.receive(kPatience)), "next");
  }
}

TEST_P(Loans, WhatIsDroppedIsNotSent) {
  auto ends = connect_ends(GetParam());
  for (const std::size_t size : {100U, 400'000U}) {
    {
      const auto loan = ends.first.loan(size, kPatience).value();
      write(loan, "nobody's");
    }
    auto assigned = ends.first.loan(size, kPatience).value();
    write(assigned, "nobody's");
    assigned = Loan{std::move(assigned)};
    {
      const auto moved = std::move(assigned);
    }
    ASSERT_TRUE(ends.first.send(sluice::as_bytes("somebody's"), kPatience));
    EXPECT_EQ(text_of(ends.second.receive(kPatience)), "somebody's");
  }
  EXPECT_EQ(text_of(ends.second.receive(Deadline::now())), "would_block");
}

TEST_P(Loans, OneIsOutAtATime) {
  auto ends = connect_ends(GetParam());
  const auto bytes = sluice::as_bytes("x");
  const sluice::Outgoing outgoing{.parts = {&bytes, 1}};
  {
    const auto loan = ends.first.loan(10, kPatience).value();
    EXPECT_EQ(code_of(ends.first.send(bytes, kPatience)), "misuse");
    EXPECT_EQ(code_of(ends.first.send_many({&outgoing, 1}, kPatience)), "misuse");
    EXPECT_EQ(code_of(ends.first.loan(10, kPatience)), "misuse");
    EXPECT_EQ(code_of(ends.first.finish(kPatience)), "misuse");
    EXPECT_EQ(code_of(ends.first.flush(kPatience)), "ok") << "nothing was sent";
    ends.first.advance();
  }
  EXPECT_EQ(code_of(ends.first.send(bytes, kPatience)), "ok");
  EXPECT_EQ(text_of(ends.second.receive(kPatience)), "x");
}

TEST_P(Loans, WhatCannotBe) {
  auto ends = connect_ends(GetParam() + std::string("&max_message=1000"));
  const auto too_large = ends.first.loan(1001, kPatience);
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, Errc::too_large);
  EXPECT_EQ(too_large.error().step, sluice::Step::loan);
  EXPECT_EQ(too_large.error().first, 1001);
  EXPECT_EQ(too_large.error().second, 1000);
  auto loan = ends.first.loan(10, kPatience).value();
  EXPECT_EQ(code_of(loan.commit(11)), "misuse");
  EXPECT_EQ(code_of(loan.commit()), "misuse") << "it is empty";
  EXPECT_EQ(code_of(loan.attach({})), "misuse");
  EXPECT_EQ(text_of(ends.second.receive(Deadline::now())), "would_block");
  EXPECT_EQ(code_of(ends.first.send({}, kPatience)), "ok") << "the loan is over";
  ASSERT_TRUE(ends.first.finish(kPatience));
  EXPECT_EQ(code_of(ends.first.loan(10, kPatience)), "misuse");
  auto moved = std::move(ends.first);
  EXPECT_EQ(code_of(ends.first.loan(10)), "misuse");  // NOLINT(bugprone-use-after-move)
}

TEST_P(Loans, TheChannelMayMoveMeanwhile) {
  auto ends = connect_ends(GetParam());
  auto loan = ends.first.loan(5, kPatience).value();
  const Channel moved = std::move(ends.first);
  write(loan, "moved");
  EXPECT_EQ(code_of(loan.commit()), "ok");
  EXPECT_EQ(text_of(ends.second.receive(kPatience)), "moved");
}

// What its memory held before is no business of this channel's peer.
TEST_P(Loans, ShowNothingButZerosAndOlderBytesOfTheChannel) {
  auto ends = connect_ends(GetParam());
  constexpr std::size_t kLargest = 150'000;
  const auto leave_secrets = [] {
    for (std::size_t size = 16; size <= 2 * kLargest; size += size / 4 + 8) {
      const std::unique_ptr<std::byte[]> secret(new std::byte[size]);
      std::memset(secret.get(), 0xEE, size);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
  };
  const std::vector<std::byte> older(400, std::byte{0x5A});
  Random random;
  for (int round = 0; round < 60; ++round) {
    leave_secrets();
    ASSERT_TRUE(ends.first.send(std::span{older}.first(random.up_to(older.size())), kPatience));
    ASSERT_TRUE(ends.second.receive(kPatience));
    auto loan = ends.first.loan(random.up_to(round % 10 == 0 ? kLargest : 3000), kPatience);
    ASSERT_TRUE(loan);
    if (round % 3 == 0) continue;  // dropped
    ASSERT_TRUE(loan->commit());   // as it is
    ends.first.advance();
    sluice::Result<sluice::Message> message = Errc::would_block;
    while (!message && message.error().code == Errc::would_block) {
      ends.first.advance();
      message = ends.second.receive(Deadline::now());
    }
    ASSERT_TRUE(message);
    const std::array<std::byte, 8> secret{std::byte{0xEE}, std::byte{0xEE}, std::byte{0xEE}, std::byte{0xEE},
                                          std::byte{0xEE}, std::byte{0xEE}, std::byte{0xEE}, std::byte{0xEE}};
    ASSERT_TRUE(std::ranges::search(message->bytes(), secret).empty()) << "of " << message->bytes().size() << " bytes";
  }
}

// commit() waits for nothing: what the link doesn't take becomes the tail, and the next loan waits for that.
TEST_P(Loans, CommitNeverWaitsAndTheNextLoanDoes) {
  auto ends = connect_ends(GetParam());
  constexpr std::size_t kMost = 1 << 16;
  constexpr auto kAWhile = 50ms;  // a link with a helper thread makes room a little later
  std::size_t committed = 0;
  while (committed < kMost) {
    auto loan = ends.first.loan(5000, kAWhile);
    if (!loan) {
      EXPECT_EQ(code_of(loan), "timed_out");
      break;
    }
    std::ranges::fill(loan->bytes(), static_cast<std::byte>(committed));
    ASSERT_EQ(code_of(loan->commit()), "ok");
    ++committed;
  }
  ASSERT_LT(committed, kMost);
  EXPECT_EQ(code_of(ends.first.loan(5000, Deadline::now())), "would_block");
  std::vector<std::vector<std::byte>> expected;
  for (std::size_t number = 0; number < committed; ++number) expected.emplace_back(5000, static_cast<std::byte>(number));
  receive_all(ends.first, ends.second, expected);
  EXPECT_EQ(code_of(ends.first.loan(5000, kPatience)), "ok");
}

TEST_P(Loans, AWaitingLoanGetsTheRoomThatTheReceiverMakes) {
  auto ends = connect_ends(GetParam());
  const std::vector<std::byte> bytes(5000);
  std::size_t sent = 0;
  while (ends.first.send(bytes, Deadline::now())) ++sent;
  std::thread receiving([&] {
    for (std::size_t i = 0; i < sent; ++i) EXPECT_EQ(code_of(ends.second.receive(kPatience)), "ok");
    EXPECT_EQ(text_of(ends.second.receive(kPatience)), "after");
    EXPECT_EQ(text_of(ends.second.receive(kPatience)), "closed");
  });
  for (int round = 0; round < 2; ++round) {
    auto loan = ends.first.loan(5, kPatience);
    ASSERT_TRUE(loan) << describe(loan.error());
    if (round == 0) continue;  // dropped
    write(*loan, "after");
    EXPECT_TRUE(loan->commit());
  }
  EXPECT_EQ(code_of(ends.first.close(kPatience)), "ok");
  receiving.join();
}

// In a ring they lie in the ring.
class LoansInMemory : public Loans {};
TEST_P(LoansInMemory, MemoryGoesFromLoanToLoan) {
  auto ends = connect_ends(GetParam());
  const std::byte* place = nullptr;
  for (int round = 0; round < 10; ++round) {
    auto loan = ends.first.loan(70'000, kPatience).value();
    EXPECT_TRUE(round == 0 || loan.bytes().data() == place);
    place = loan.bytes().data();
    ASSERT_TRUE(loan.commit());
    receive_all(ends.first, ends.second, {std::vector<std::byte>(70'000)});
  }
}

// ---- while one is out ----------------------------------------------------------------------------------------------------

TEST_P(Loans, ThePeersFlushDoesNotWaitForALoan) {
  auto ends = connect_ends(GetParam());
  auto loan = ends.first.loan(4, kPatience).value();
  ASSERT_TRUE(ends.second.send(sluice::as_bytes("to be taken"), kPatience));
  std::thread receiving([&] {
    EXPECT_EQ(text_of(ends.first.receive(kPatience)), "to be taken");
    EXPECT_EQ(text_of(ends.first.receive(kPatience)), "the end");
  });
  EXPECT_EQ(code_of(ends.second.flush(kPatience)), "ok");
  EXPECT_TRUE(ends.second.send(sluice::as_bytes("the end"), kPatience));
  receiving.join();
  write(loan, "late");
  EXPECT_EQ(code_of(loan.commit()), "ok");
  EXPECT_EQ(text_of(ends.second.receive(kPatience)), "late");
}

TEST_P(Loans, OurFlushDoesNotWaitForALoan) {
  auto ends = connect_ends(GetParam());
  ASSERT_TRUE(ends.first.send(sluice::as_bytes("before"), kPatience));
  auto loan = ends.first.loan(4, kPatience).value();
  std::thread receiving([&] {
    EXPECT_EQ(text_of(ends.second.receive(kPatience)), "before");
    EXPECT_EQ(text_of(ends.second.receive(kPatience)), "late");
  });
  EXPECT_EQ(code_of(ends.first.flush(kPatience)), "ok");
  write(loan, "late");
  EXPECT_EQ(code_of(loan.commit()), "ok");
  receiving.join();
}

TEST_P(Loans, ThePeersCloseDoesNotWaitForALoan) {
  for (const std::size_t size : {0U, 4U, 3000U, 2'000'000U}) {
    auto ends = connect_ends(GetParam());
    ASSERT_TRUE(ends.first.send(sluice::as_bytes("unread"), kPatience));
    auto loan = ends.first.loan(size, kPatience).value();
    std::thread closing([&] { EXPECT_EQ(code_of(ends.second.close(kPatience)), "ok"); });
    EXPECT_EQ(text_of(ends.first.receive(kPatience)), "closed");
    closing.join();
    std::ranges::fill(loan.bytes(), std::byte{1});  // it is memory still
    EXPECT_EQ(code_of(loan.commit()), "closed");
    EXPECT_EQ(code_of(ends.first.loan(1, kPatience)), "closed");
  }
}

TEST_P(Loans, OurCloseDoesNotWaitForALoan) {
  for (const std::size_t size : {0U, 4U, 3000U, 2'000'000U}) {
    auto ends = connect_ends(GetParam());
    ASSERT_TRUE(ends.first.send(sluice::as_bytes("before"), kPatience));
    auto loan = ends.first.loan(size, kPatience).value();
    std::ranges::fill(loan.bytes(), std::byte{0xFF});  // what nobody may take for a header
    std::thread receiving([&] {
      EXPECT_EQ(text_of(ends.second.receive(kPatience)), "before");
      EXPECT_EQ(text_of(ends.second.receive(kPatience)), "closed");
    });
    EXPECT_EQ(code_of(ends.first.close(kPatience)), "ok");
    receiving.join();
    std::ranges::fill(loan.bytes(), std::byte{1});
    EXPECT_EQ(code_of(loan.commit()), "closed");
  }
}

// A loan near the end of a lap, in the middle of it, with messages unread before it: a goodbye always finds its place.
class LoansInARing : public Loans {};
TEST_P(LoansInARing, AGoodbyeFindsItsPlaceBehindALoanWhereverThatLies) {
  Random random;
  for (int round = 0; round < 60; ++round) {
    auto ends = connect_ends(GetParam() + std::string("&capacity=64K"));
    const std::vector<std::byte> bytes(3000);
    for (std::uint64_t moved = random.up_to(60); moved > 0; --moved) {
      ASSERT_TRUE(ends.first.send(std::span{bytes}.first(random.up_to(3000)), kPatience));
      ASSERT_TRUE(ends.second.receive(kPatience));
    }
    std::size_t unread = 0;
    for (const std::uint64_t most = random.up_to(25); unread < most && ends.first.send(bytes, Deadline::now());) ++unread;
    auto loan = ends.first.loan(random.up_to(3000), Deadline::now());
    if (loan) std::ranges::fill(loan->bytes(), std::byte{0xFF});
    if (round % 2 == 0) {
      (void)ends.first.close(Deadline::now());
      if (loan) expect_closed(*std::move(loan));
      for (std::size_t i = 0; i < unread; ++i) ASSERT_TRUE(ends.second.receive(kPatience));
      EXPECT_EQ(text_of(ends.second.receive(kPatience)), "closed");
    } else {
      std::thread closing([&] { EXPECT_EQ(code_of(ends.second.close(kPatience)), "ok"); });
      EXPECT_EQ(text_of(ends.first.receive(kPatience)), "closed");
      closing.join();
      if (loan) expect_closed(*std::move(loan));
    }
  }
}

TEST_P(Loans, BothCloseWhileBothHoldOne) {
  for (int round = 0; round < 10; ++round) {
    auto ends = connect_ends(GetParam());
    auto ours = ends.first.loan(1000, kPatience).value();
    auto theirs = ends.second.loan(1000, kPatience).value();
    std::thread closing([&] { EXPECT_EQ(code_of(ends.first.close(kPatience)), "ok"); });
    EXPECT_EQ(code_of(ends.second.close(kPatience)), "ok");
    closing.join();
    std::ranges::fill(ours.bytes(), std::byte{1});
    std::ranges::fill(theirs.bytes(), std::byte{1});
    EXPECT_EQ(code_of(ours.commit()), "closed");
    EXPECT_EQ(code_of(theirs.commit()), "closed");
  }
}

// Loans, sends and what is dropped, through many laps, while the receiver holds some.
TEST_P(Loans, InAnyOrderWithSends) {
  auto ends = connect_ends(GetParam() + std::string("&capacity=64K"));
  constexpr std::size_t kMessages = 1500;
  const auto content = [](std::size_t number) {
    const std::size_t size = number % 50 == 0 ? 40'000 : number * 37 % 2500;
    return std::vector<std::byte>(size, static_cast<std::byte>(number));
  };
  std::thread receiving([&] {
    std::vector<sluice::Message> held;
    for (std::size_t number = 0; number < kMessages; ++number) {
      auto message = ends.second.receive(kPatience);
      while (!message && message.error().code == Errc::held) {
        held.clear();
        message = ends.second.receive(kPatience);
      }
      ASSERT_TRUE(message) << describe(message.error());
      ASSERT_TRUE(std::ranges::equal(message->bytes(), content(number))) << number;
      held.push_back(*std::move(message));
      if (held.size() > 5) held.erase(held.begin() + static_cast<std::ptrdiff_t>(number % 5));
    }
    held.clear();
    EXPECT_EQ(text_of(ends.second.receive(kPatience)), "closed");
  });
  for (std::size_t number = 0; number < kMessages; ++number) {
    const auto bytes = content(number);
    if (number % 3 == 0) {
      ASSERT_EQ(code_of(ends.first.send(bytes, kPatience)), "ok");
      continue;
    }
    if (number % 7 == 0) (void)ends.first.loan(bytes.size() / 2, kPatience);
    auto loan = ends.first.loan(bytes.size() + number % 5, kPatience);
    ASSERT_TRUE(loan) << describe(loan.error());
    std::ranges::copy(bytes, loan->bytes().begin());
    ASSERT_EQ(code_of(loan->commit(bytes.size())), "ok");
  }
  EXPECT_EQ(code_of(ends.first.close(kPatience)), "ok");
  receiving.join();
}

INSTANTIATE_TEST_SUITE_P(Shapes, Loans, sluice_test::every_shape(), sluice_test::name_of_shape);
INSTANTIATE_TEST_SUITE_P(Shapes, LoansInMemory, testing::Values("?link=stream", "?link=packets", "?link=stream&chop=1"),
                         sluice_test::name_of_shape);
INSTANTIATE_TEST_SUITE_P(Shapes, LoansInARing, testing::Values("?link=region"), sluice_test::name_of_shape);

}  // namespace
