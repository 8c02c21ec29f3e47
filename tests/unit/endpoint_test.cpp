// Endpoints: what is read from their text, what is refused and where, and the options common to all mechanisms.
#include "core/endpoint.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <gtest/gtest.h>

#include "unit/random.hpp"

namespace {

using namespace std::literals;
using namespace sluice;
using namespace sluice::core;
using sluice_test::Random;
using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(Endpoint, ReadsMechanismWhereAndOptions) {
  const auto endpoint = parse_endpoint("unix:/run/x?max_message=128M&allow=anyone");
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->mechanism, "unix");
  EXPECT_EQ(endpoint->where, "/run/x");
  EXPECT_EQ(endpoint->options, (Pairs{{"max_message", "128M"}, {"allow", "anyone"}}));
}

TEST(Endpoint, LeavesWhereToTheMechanism) {
  struct Case {
    std::string_view text;
    std::string_view mechanism;
    std::string_view where;
  };
  for (const auto& [text, mechanism, where] : {
           Case{"pipe:", "pipe", ""},
           Case{"unix:@abstract", "unix", "@abstract"},
           Case{"tcp:[::1]:0", "tcp", "[::1]:0"},
           Case{"npipe://host/name", "npipe", "//host/name"},
           Case{"msrpc:ncacn_np:host[\\pipe\\name]", "msrpc", "ncacn_np:host[\\pipe\\name]"},
           Case{"unix:/a b&c=d#e", "unix", "/a b&c=d#e"},
           Case{"unix:/\xC3\xA4", "unix", "/\xC3\xA4"},
           Case{"x9:y", "x9", "y"},
       }) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->mechanism, mechanism);
    EXPECT_EQ(endpoint->where, where);
    EXPECT_TRUE(endpoint->options.empty());
  }
}

TEST(Endpoint, DecodesPercentInWhereAndValues) {
  const auto endpoint = parse_endpoint("unix:/50%25%3f%3F%0A?name=a%26b%3Dc%25=d?e");
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->where, "/50%??\n");
  EXPECT_EQ(endpoint->options, (Pairs{{"name", "a&b=c%=d?e"}}));
}

TEST(Endpoint, AValueMayBeEmpty) {
  const auto endpoint = parse_endpoint("unix:/x?a=&b=");
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->options, (Pairs{{"a", ""}, {"b", ""}}));
}

TEST(Endpoint, WhatCantBeReadIsRefusedWithItsPosition) {
  struct Case {
    std::string_view text;
    std::int64_t position;
  };
  for (const auto& [text, position] : {
           Case{"", 0},
           Case{":", 0},
           Case{":/x", 0},
           Case{"unix", 4},
           Case{"/run/x", 0},
           Case{"un ix:/x", 2},
           Case{"un\0ix:/x"sv, 2},
           Case{"unix:/%", 6},
           Case{"unix:/%2", 6},
           Case{"unix:/%2G", 6},
           Case{"unix:/%?a=b", 6},
           Case{"unix:/%2?a=b", 6},
           Case{"unix:/%00", 6},
           Case{"unix:/\0"sv, 6},
           Case{"unix:/x?", 8},
           Case{"unix:/x?a", 9},
           Case{"unix:/x?=b", 8},
           Case{"unix:/x?a=b&", 12},
           Case{"unix:/x?&a=b", 8},
           Case{"unix:/x?a=b&c", 13},
           Case{"unix:/x?a-b=c", 9},
           Case{"unix:/x?a=%", 10},
           Case{"unix:/x?a=%2&b=c", 10},
           Case{"unix:/x?a=%00", 10},
           Case{"unix:/x?a=\0"sv, 10},
       }) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_FALSE(endpoint) << text;
    EXPECT_EQ(endpoint.error().code, Errc::invalid_endpoint) << text;
    EXPECT_EQ(endpoint.error().step, Step::parse_endpoint) << text;
    EXPECT_EQ(endpoint.error().first, position) << text;
  }
}

TEST(Endpoint, WritesTheTextAgain) {
  EXPECT_EQ(to_text("unix", "/run/x"), "unix:/run/x");
  EXPECT_EQ(to_text("unix", "/a?b%c&d=e"), "unix:/a%3Fb%25c&d=e");
  EXPECT_EQ(to_text("unix", "/a\nb\x7F"), "unix:/a%0Ab%7F");
  EXPECT_EQ(to_text("unix", "/\xC3\xA4"), "unix:/\xC3\xA4");
  EXPECT_EQ(to_text("pipe", ""), "pipe:");
}

TEST(Endpoint, RandomPlacesComeBackAsTheyWere) {
  Random random;
  for (int round = 0; round < 5'000; ++round) {
    const auto where = random.text(40, 1, 255);
    const auto endpoint = parse_endpoint(to_text("m", where));
    ASSERT_TRUE(endpoint) << where;
    ASSERT_EQ(endpoint->where, where);
    ASSERT_TRUE(endpoint->options.empty());
  }
}

TEST(Endpoint, EveryPrefixAndEveryChangedByteIsReadOrRefused) {
  const std::string whole = "unix:/a%3Fb%25?max_message=1M&name=a%26b&c=d";
  const auto is_read_or_refused = [](const std::string& text) {
    const auto endpoint = parse_endpoint(text);
    if (endpoint) return endpoint->where.size() < text.size();
    return endpoint.error().code == Errc::invalid_endpoint && endpoint.error().first >= 0 &&
           endpoint.error().first <= static_cast<std::int64_t>(text.size());
  };
  for (std::size_t size = 0; size <= whole.size(); ++size) EXPECT_TRUE(is_read_or_refused(whole.substr(0, size))) << size;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int value = 0; value <= 0xFF; ++value) {
      std::string text = whole;
      text[at] = static_cast<char>(value);
      ASSERT_TRUE(is_read_or_refused(text)) << at << ' ' << value;
    }
  }
}

// ---- sizes ---------------------------------------------------------------------------------------------------------------

TEST(ParseSize, ReadsDigitsAndPowersOf1024) {
  struct Case {
    std::string_view text;
    std::uint64_t size;
  };
  for (const auto& [text, size] : {
           Case{"0", 0},
           Case{"0G", 0},
           Case{"1", 1},
           Case{"007", 7},
           Case{"4096", 4096},
           Case{"1K", 1024},
           Case{"64M", 64ULL << 20},
           Case{"3G", 3ULL << 30},
           Case{"262144G", 1ULL << 48},
           Case{"281474976710656", 1ULL << 48},
       }) {
    const auto read = parse_size(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(*read, size) << text;
  }
}

TEST(ParseSize, RefusesEverythingElse) {
  for (const std::string_view text : {"",
                                      "K",
                                      "M",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1k",
                                      "1m",
                                      "1KB",
                                      "1KK",
                                      "1.5M",
                                      "0x10",
                                      "1,000",
                                      "281474976710657",
                                      "262145G",
                                      "274877906945K",
                                      "99999999999999999999999999",
                                      "18446744073709551616",
                                      "18446744073709551617K"}) {
    const auto read = parse_size(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Errc::invalid_endpoint) << text;
  }
}

TEST(ParseSize, RandomNumbersAreReadExactly) {
  Random random;
  for (int round = 0; round < 5'000; ++round) {
    const std::uint64_t number = random.up_to((1ULL << 48) - 1) >> random.up_to(47);
    const auto read = parse_size(std::to_string(number));
    ASSERT_TRUE(read);
    ASSERT_EQ(*read, number);
  }
}

// ---- options -------------------------------------------------------------------------------------------------------------

Result<Limits> limits_of(std::string_view text, const Options& options = {}, std::string_view own = {}) {
  auto endpoint = parse_endpoint(text);
  return take_options(endpoint.value(), options, own);
}

void expect_bad(std::string_view text, Errc code, std::int64_t which, const Options& options = {}, std::string_view own = {}) {
  const auto limits = limits_of(text, options, own);
  ASSERT_FALSE(limits) << text;
  EXPECT_EQ(limits.error().code, code) << text;
  EXPECT_EQ(limits.error().step, Step::check_options) << text;
  EXPECT_EQ(limits.error().first, which) << text;
}

TEST(TakeOptions, HasDefaults) {
  const auto limits = limits_of("unix:/x");
  ASSERT_TRUE(limits);
  EXPECT_EQ(limits->max_message, 64U << 20);
  EXPECT_EQ(limits->capacity, 0U);
  EXPECT_EQ(limits->max_handles, 16U);
  EXPECT_EQ(limits->allow, Allow::same_user);
  EXPECT_FALSE(limits->wait_for_listener);
  EXPECT_FALSE(limits->conduct.untrusted);
  EXPECT_EQ(limits->conduct.senders, Senders::one);
  EXPECT_FALSE(limits->conduct.spin);
}

TEST(TakeOptions, TakesTheTexts) {
  const auto limits = limits_of("unix:/x?max_message=128M&capacity=1M&allow=anyone");
  ASSERT_TRUE(limits);
  EXPECT_EQ(limits->max_message, 128U << 20);
  EXPECT_EQ(limits->capacity, 1U << 20);
  EXPECT_EQ(limits->allow, Allow::anyone);
  EXPECT_EQ(limits_of("unix:/x?allow=same_user")->allow, Allow::same_user);
  EXPECT_EQ(limits_of("unix:/x?max_message=0")->max_message, 0U);
  EXPECT_EQ(limits_of("unix:/x?max_handles=0")->max_handles, 0U);
  EXPECT_EQ(limits_of("unix:/x?max_handles=253")->max_handles, 253U);
  EXPECT_EQ(limits_of("unix:/x?senders=many")->conduct.senders, Senders::many);
  EXPECT_EQ(limits_of("unix:/x?senders=one")->conduct.senders, Senders::one);
  EXPECT_EQ(limits_of("unix:/x?spin=50")->conduct.spin, std::chrono::microseconds{50});
  EXPECT_EQ(limits_of("unix:/x?spin=0")->conduct.spin, std::chrono::microseconds{0});
  EXPECT_EQ(limits_of("unix:/x?spin=60000000")->conduct.spin, std::chrono::minutes{1});
}

TEST(TakeOptions, TakesTheCalls) {
  Options options;
  options.max_message = 7;
  options.capacity = 8;
  options.max_handles = 9;
  options.allow = Allow::anyone;
  options.wait_for_listener = true;
  options.untrusted = true;
  options.senders = Senders::many;
  options.spin = std::chrono::microseconds{5};
  const auto limits = limits_of("unix:/x", options);
  ASSERT_TRUE(limits);
  EXPECT_EQ(limits->max_message, 7U);
  EXPECT_EQ(limits->capacity, 8U);
  EXPECT_EQ(limits->max_handles, 9U);
  EXPECT_EQ(limits->allow, Allow::anyone);
  EXPECT_TRUE(limits->wait_for_listener);
  EXPECT_TRUE(limits->conduct.untrusted);
  EXPECT_EQ(limits->conduct.senders, Senders::many);
  EXPECT_EQ(limits->conduct.spin, std::chrono::microseconds{5});
}

TEST(TakeOptions, OneThatStandsInBothIsMisuse) {
  Options options;
  options.max_message = 7;
  expect_bad("unix:/x?capacity=1&max_message=7", Errc::misuse, 1, options);
  options = {};
  options.capacity = 7;
  expect_bad("unix:/x?capacity=7", Errc::misuse, 0, options);
  options = {};
  options.allow = Allow::same_user;
  expect_bad("unix:/x?allow=same_user", Errc::misuse, 0, options);
  options = {};
  options.max_handles = 7;
  expect_bad("unix:/x?max_handles=7", Errc::misuse, 0, options);
  options = {};
  options.senders = Senders::one;
  expect_bad("unix:/x?senders=one", Errc::misuse, 0, options);
  options = {};
  options.spin = std::chrono::microseconds{1};
  expect_bad("unix:/x?spin=1", Errc::misuse, 0, options);
}

TEST(TakeOptions, OneThatStandsTwiceIsMisuse) {
  expect_bad("unix:/x?capacity=1&capacity=1", Errc::misuse, 1);
  expect_bad("unix:/x?a=1&b=1&a=2", Errc::misuse, 2, {}, "a b");
}

TEST(TakeOptions, UnknownOnesAndBadValuesAreNamed) {
  expect_bad("unix:/x?capacity=1&colour=red", Errc::invalid_endpoint, 1);
  expect_bad("unix:/x?max_message=much", Errc::invalid_endpoint, 0);
  expect_bad("unix:/x?capacity=", Errc::invalid_endpoint, 0);
  expect_bad("unix:/x?max_message=1&allow=everybody", Errc::invalid_endpoint, 1);
  expect_bad("unix:/x?allow=", Errc::invalid_endpoint, 0);
  expect_bad("unix:/x?max_handles=few", Errc::invalid_endpoint, 0);
  expect_bad("unix:/x?max_handles=254", Errc::invalid_endpoint, 0);
  expect_bad("unix:/x?Capacity=1", Errc::invalid_endpoint, 0);
  expect_bad("unix:/x?senders=two", Errc::invalid_endpoint, 0);
  expect_bad("unix:/x?spin=1K", Errc::invalid_endpoint, 0);
  expect_bad("unix:/x?spin=", Errc::invalid_endpoint, 0);
  expect_bad("unix:/x?spin=60000001", Errc::invalid_endpoint, 0);
}

TEST(TakeOptions, LeavesTheMechanismsOwn) {
  auto endpoint = parse_endpoint("inproc:x?link=packets&capacity=1M&depth=2");
  ASSERT_TRUE(endpoint);
  ASSERT_TRUE(take_options(*endpoint, {}, "link packet depth"));
  EXPECT_EQ(endpoint->options, (Pairs{{"link", "packets"}, {"depth", "2"}}));
}

TEST(TakeOptions, OwnOnesAreWholeWords) {
  expect_bad("inproc:x?lin=1", Errc::invalid_endpoint, 0, {}, "link packet");
  expect_bad("inproc:x?pack=1", Errc::invalid_endpoint, 0, {}, "link packet");
  expect_bad("inproc:x?k=1", Errc::invalid_endpoint, 0, {}, "link packet");
  EXPECT_TRUE(limits_of("inproc:x?packet=1", {}, "link packet"));
}

TEST(TakeOptions, SizesOfTheCallHaveTheSameLimit) {
  if constexpr (sizeof(std::size_t) == 8) {
    Options options;
    options.max_message = std::size_t{1} << 48;
    EXPECT_TRUE(limits_of("unix:/x", options));
    options.max_message = (std::size_t{1} << 48) + 1;
    expect_bad("unix:/x", Errc::misuse, -1, options);
    options = {};
    options.capacity = std::numeric_limits<std::size_t>::max();
    expect_bad("unix:/x", Errc::misuse, -1, options);
  }
}

TEST(TakeOptions, HandlesOfTheCallHaveTheSameLimit) {
  Options options;
  options.max_handles = 253;
  EXPECT_TRUE(limits_of("unix:/x", options));
  options.max_handles = 254;
  expect_bad("unix:/x", Errc::misuse, -1, options);
}

TEST(TakeOptions, TimeToSpinHasLimits) {
  Options options;
  options.spin = std::chrono::minutes{1};
  EXPECT_TRUE(limits_of("unix:/x", options));
  options.spin = std::chrono::minutes{1} + std::chrono::microseconds{1};
  expect_bad("unix:/x", Errc::misuse, -1, options);
  options.spin = std::chrono::microseconds{-1};
  expect_bad("unix:/x", Errc::misuse, -1, options);
}

TEST(TakeOptions, SizesThatAPointerCantHoldAreRefused) {
  if constexpr (sizeof(std::size_t) == 4) expect_bad("unix:/x?max_message=4G", Errc::invalid_endpoint, 0);
}

TEST(TakeOptions, RandomTextsAreReadOrRefused) {
  Random random;
  constexpr std::array kPieces{"max_message"sv, "capacity"sv, "allow"sv,  "link"sv, "="sv, "&"sv,  "?"sv, "%26"sv,
                               "%"sv,           "1M"sv,       "anyone"sv, "x"sv,    ":"sv, "\0"sv, "9"sv, "same_user"sv};
  for (int round = 0; round < 20'000; ++round) {
    std::string text = "m:w?";
    for (std::uint64_t pieces = random.up_to(8); pieces > 0; --pieces) text += kPieces[random.up_to(kPieces.size() - 1)];
    auto endpoint = parse_endpoint(text);
    if (!endpoint) continue;
    const std::size_t given = endpoint->options.size();
    const auto limits = take_options(*endpoint, {}, "link");
    if (limits) {
      ASSERT_LE(endpoint->options.size(), 1U) << text;
    } else {
      ASSERT_LT(limits.error().first, static_cast<std::int64_t>(given)) << text;
    }
  }
}

}  // namespace
