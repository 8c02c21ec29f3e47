// Errors: their names, the sentences for people, and what std::error_code makes of them.
#include <sluice/error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <type_traits>

#include <gtest/gtest.h>

#include "core/error_sentences.hpp"

namespace {

using namespace sluice;

static_assert(std::is_trivially_copyable_v<Error> && sizeof(Error) <= 24);

constexpr int kLastCode = static_cast<int>(Errc::interrupted);
constexpr int kLastStep = static_cast<int>(Step::make_pipes);

constexpr Error error(Errc code, Step step = Step::none, std::int64_t first = 0, std::int64_t second = 0,
                      std::int32_t os_code = 0) {
  return {code, step, os_code, first, second};
}

std::string system_says(int os_code) { return std::system_category().message(os_code); }

TEST(ErrorName, IsTheWordOfTheEnumeration) {
  EXPECT_EQ(name(Errc::closed), "closed");
  EXPECT_EQ(name(Errc::peer_died), "peer_died");
  EXPECT_EQ(name(Errc::would_block), "would_block");
  EXPECT_EQ(name(Errc::interrupted), "interrupted");
  EXPECT_EQ(name(static_cast<Errc>(0)), "unknown");
  EXPECT_EQ(name(static_cast<Errc>(255)), "unknown");
  for (int code = 1; code <= kLastCode; ++code) EXPECT_NE(name(static_cast<Errc>(code)), "unknown") << code;
}

TEST(Describe, NamesTheEndpointTheCauseAndTheMend) {
  EXPECT_EQ(describe(error(Errc::access_denied, Step::listen, 0, 0, EACCES), "unix:/run/x"),
            "listening on unix:/run/x: the folder is not writable by this user (" + system_says(EACCES) +
                "); choose another folder, or have its permissions changed");
  EXPECT_EQ(describe(error(Errc::access_denied, Step::take_name), "unix:/run/x"),
            "taking the name of unix:/run/x: the name belongs to somebody else; choose another one");
  EXPECT_EQ(describe(error(Errc::not_found, Step::connect), "unix:/run/x"),
            "connecting to unix:/run/x: nobody listens there; start the listener, or wait for it (Options::wait_for_listener)");
  EXPECT_EQ(describe(error(Errc::peer_died, Step::receive), "unix:/run/x"),
            "receiving over unix:/run/x: the peer ended without a goodbye; see why it ended, start it again and connect anew");
}

TEST(Describe, TellsWhatTheSystemRefusesFromWhatBelongsToOthers) {
  EXPECT_EQ(
      describe(error(Errc::access_denied, Step::bind_name, 1000, 1001), "unix:/run/x"),
      "listening on unix:/run/x: the name belongs to somebody else (user 1000, and this is user 1001); choose another one");
  EXPECT_EQ(
      describe(error(Errc::access_denied, Step::identify_peer, 1000, 0)),
      "checking who is at the other end: the two ends belong to different users (1000 and 0); run both as one user, or let the "
      "other in with allow=anyone");
  EXPECT_EQ(describe(error(Errc::invalid_endpoint, Step::bind_name, 120, 107)),
            "listening: the name is too long: 120 bytes, and 107 are the limit; choose a shorter one");
  EXPECT_EQ(
      describe(error(Errc::invalid_endpoint, Step::listen), "mq:/a/b"),
      "listening on mq:/a/b: what stands behind the colon names no place of this mechanism; `sluice mechanisms` says what has "
      "to stand there");
}

TEST(Describe, SaysWhatKeepsTheEndsOfANetworkApart) {
  EXPECT_EQ(describe(error(Errc::access_denied, Step::identify_peer), "tcp:0.0.0.0:7"),
            "checking who is at the other end of tcp:0.0.0.0:7: beyond this machine the system can't tell who is at the other "
            "end; meet on 127.0.0.1, or on ::1 in brackets, or say that anyone may be there with allow=anyone");
  EXPECT_EQ(describe(error(Errc::not_found, Step::find_host), "tcp:nowhere:7"),
            "finding the way to tcp:nowhere:7: no host of that name is known; check the name, or write the address itself");
  EXPECT_EQ(describe(error(Errc::not_found, Step::find_host, 0, 0, ENETUNREACH), "tcp:192.0.2.1:7"),
            "finding the way to tcp:192.0.2.1:7: the host can't be reached from here (" + system_says(ENETUNREACH) +
                "); check the address, the network and the firewalls between");
}

TEST(Describe, WorksWithoutEndpointAndWithoutStep) {
  EXPECT_EQ(describe(error(Errc::not_found, Step::connect)),
            "connecting: nobody listens there; start the listener, or wait for it (Options::wait_for_listener)");
  EXPECT_EQ(describe(error(Errc::interrupted)), "interrupt() was called; call again to go on");
  EXPECT_EQ(describe(error(Errc::interrupted), "unix:/x"), "unix:/x: interrupt() was called; call again to go on");
}

TEST(Describe, SaysWhatTheTwoNumbersMean) {
  EXPECT_EQ(
      describe(error(Errc::too_large, Step::send, 100, 50), "unix:/x"),
      "sending over unix:/x: the message of 100 bytes exceeds the limit of 50 bytes; raise max_message at both ends, or send "
      "it in parts");
  EXPECT_EQ(
      describe(error(Errc::too_large, Step::receive, 100, 50), "unix:/x"),
      "receiving over unix:/x: the message of 100 bytes doesn't fit into the room given (50 bytes); receive it into larger "
      "memory: it is still there");
  EXPECT_EQ(describe(error(Errc::too_large, Step::attach, 20, 16), "unix:/x"),
            "sending handles over unix:/x: the message with 20 handles has more of them than the peer accepts (16); raise "
            "max_handles "
            "at the other end, or send them with several messages");
  EXPECT_EQ(
      describe(error(Errc::limit_reached, Step::make_queues, 164'480, 819'200, EMFILE), "mq:/x"),
      "making the queues for mq:/x: the message queues of this user have reached their common limit: 164480 bytes are needed, "
      "819200 is the limit (RLIMIT_MSGQUEUE) (" +
          system_says(EMFILE) + "); close other channels over queues, or raise the limit with `ulimit -q`");
  EXPECT_EQ(
      describe(error(Errc::limit_reached, Step::make_queues), "mq:/x"),
      "making the queues for mq:/x: the message queues of this user have reached their common limit; close other channels over "
      "queues, or raise the limit with `ulimit -q`");
}

TEST(Describe, NamesBothVersionsAndTheMissingFeatures) {
  EXPECT_EQ(
      describe(error(Errc::protocol_error, Step::hello, 0x0001'0003, 0), "unix:/x"),
      "shaking hands over unix:/x: the peer speaks versions 1 to 3 of the protocol, and this library version 0; bring both to "
      "the same release");
  EXPECT_EQ(
      describe(error(Errc::protocol_error, Step::hello, 0, 0x0001'0001), "unix:/x"),
      "shaking hands over unix:/x: the peer speaks version 0 of the protocol, and this library version 1; bring both to the "
      "same release");
  EXPECT_EQ(
      describe(error(Errc::protocol_error, Step::hello, -1, std::numeric_limits<std::int64_t>::min() + 1)),
      "shaking hands: the peer requires features that this library doesn't have (bits 0x8000000000000001); bring both to the "
      "same release");
  EXPECT_NE(describe(error(Errc::protocol_error, Step::hello)).find("doesn't speak Sluice's protocol"), std::string::npos);
}

TEST(Describe, NamesTheOptionOfTheText) {
  const std::string_view endpoint = "unix:/x?capacity=1M&colour=red&allow=anyone";
  EXPECT_NE(describe(error(Errc::invalid_endpoint, Step::check_options, 0), endpoint).find("'capacity=1M'"), std::string::npos);
  EXPECT_NE(describe(error(Errc::invalid_endpoint, Step::check_options, 1), endpoint).find("'colour=red'"), std::string::npos);
  EXPECT_NE(describe(error(Errc::misuse, Step::check_options, 2), endpoint).find("'allow=anyone'"), std::string::npos);
  for (const std::int64_t which : {std::int64_t{3}, std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_FALSE(describe(error(Errc::invalid_endpoint, Step::check_options, which), endpoint).empty());
  }
  EXPECT_NE(describe(error(Errc::invalid_endpoint, Step::check_options, 1)).find("number 2 of the text"), std::string::npos);
  EXPECT_NE(describe(error(Errc::invalid_endpoint, Step::parse_endpoint, 6), "unix:/%").find("at position 6"),
            std::string::npos);
}

TEST(Describe, AddsWhatTheSystemSays) {
  for (const int code : {EACCES, ENOENT, -1, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
    EXPECT_NE(describe(error(Errc::misuse, Step::none, 0, 0, code)).find("(" + system_says(code) + ")"), std::string::npos);
  }
}

// Every pair of code and step, with numbers as they come over the wire (a refusal may bring any): one whole sentence.
TEST(Describe, HasASentenceForEverything) {
  constexpr std::array<std::int64_t, 6> kNumbers{
      0, 1, -1, 0x0001'0002, std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()};
  for (int code = 0; code <= kLastCode + 1; ++code) {
    for (int step = 0; step <= kLastStep + 1; ++step) {
      for (const std::int64_t first : kNumbers) {
        for (const std::int64_t second : kNumbers) {
          const auto text = describe(error(static_cast<Errc>(code), static_cast<Step>(step), first, second), "m:w?a=b");
          ASSERT_EQ(text.find_first_of("{}[]\n"), std::string::npos) << text;
          ASSERT_EQ(text.find("  "), std::string::npos) << text;
          ASSERT_NE(text.find("m:w?a=b: "), std::string::npos) << text;
          ASSERT_EQ(text.find("; ") != std::string::npos, code >= 1 && code <= kLastCode) << text;
          ASSERT_NE(text.back(), ' ') << text;
        }
      }
    }
  }
}

TEST(Describe, EveryCodeHasARowForEveryStepAndEveryStepAnActivity) {
  for (int code = 1; code <= kLastCode; ++code) {
    const auto is_general = [&](const core::Sentence& row) {
      return row.code == static_cast<Errc>(code) && !row.step && row.when == core::When::always;
    };
    EXPECT_EQ(std::ranges::count_if(core::kSentences, is_general), 1) << code;
  }
  for (int step = 1; step <= kLastStep; ++step) {
    EXPECT_EQ(std::ranges::count(core::kActivities, static_cast<Step>(step), &core::Activity::step), 1) << step;
  }
}

// A row behind one that fits in all its cases would never be used.
TEST(Describe, EveryRowIsReached) {
  for (std::size_t i = 0; i < core::kSentences.size(); ++i) {
    for (std::size_t earlier = 0; earlier < i; ++earlier) {
      const auto& first = core::kSentences[earlier];
      const auto& second = core::kSentences[i];
      const bool hides =
          first.code == second.code && first.when == core::When::always && (!first.step || first.step == second.step);
      EXPECT_FALSE(hides) << first.cause << " / " << second.cause;
    }
  }
}

TEST(ErrorCode, HasTheCategorySluice) {
  const std::error_code code = to_error_code(error(Errc::peer_died));
  EXPECT_EQ(code.value(), static_cast<int>(Errc::peer_died));
  EXPECT_STREQ(code.category().name(), "sluice");
  EXPECT_EQ(code.message(), "the peer ended without a goodbye");
  EXPECT_EQ(code, to_error_code(error(Errc::peer_died, Step::receive)));
  EXPECT_NE(code, to_error_code(error(Errc::closed)));
  for (int value = -1; value <= kLastCode + 1; ++value) EXPECT_FALSE(code.category().message(value).empty());
}

TEST(ErrorCode, EqualsTheConditionThatMeansTheSame) {
  EXPECT_EQ(to_error_code(error(Errc::timed_out)), std::errc::timed_out);
  EXPECT_EQ(to_error_code(error(Errc::would_block)), std::errc::operation_would_block);
  EXPECT_EQ(to_error_code(error(Errc::access_denied)), std::errc::permission_denied);
  EXPECT_EQ(to_error_code(error(Errc::out_of_memory)), std::errc::not_enough_memory);
  EXPECT_NE(to_error_code(error(Errc::peer_died)), std::errc::timed_out);
}

// What another copy of the library in this process has: a category of the same name, at another address (tests/package tries it
// with real copies).
struct OtherCopy final : std::error_category {
  [[nodiscard]] const char* name() const noexcept override { return "sluice"; }
  [[nodiscard]] std::string message(int) const override { return {}; }
};

struct Stranger final : std::error_category {
  [[nodiscard]] const char* name() const noexcept override { return "stranger"; }
  [[nodiscard]] std::string message(int) const override { return {}; }
};

TEST(ErrorCode, IsComparedWithErrcByValueWhateverCopyMadeIt) {
  const OtherCopy other_copy;
  const Stranger stranger;
  for (int value = 1; value <= kLastCode; ++value) {
    for (int compared = 1; compared <= kLastCode; ++compared) {
      const auto code = static_cast<Errc>(compared);
      EXPECT_EQ(to_error_code(error(static_cast<Errc>(value))) == code, value == compared);
      EXPECT_EQ(std::error_code(value, other_copy) == code, value == compared);
      EXPECT_EQ(to_error_code(error(static_cast<Errc>(value))) == std::error_condition(compared, other_copy),
                value == compared);
      EXPECT_NE(std::error_code(value, stranger), code);
      EXPECT_NE(to_error_code(error(static_cast<Errc>(value))), std::error_condition(compared, stranger));
    }
  }
}

template <class Left, class Right>
concept Comparable = requires(Left left, Right right) { left == right; };
static_assert(Comparable<std::error_code, Errc> && Comparable<std::error_code, std::errc>);
static_assert(!Comparable<Errc, std::errc>, "it would never be true");

}  // namespace
