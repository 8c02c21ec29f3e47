// How people write where a TCP socket is: read right or refused, and the loopback known from the rest.
#include "os/tcp_address.hpp"

#include <string_view>

#include "unit/random.hpp"
#include "unit/tcp_support.hpp"

namespace sluice::inline v0::test {
namespace {

TEST(TcpAddressText, IsSplitIntoHostAndPort) {
  struct Case {
    const char* text;
    const char* host;
    int port;
    bool is_bracketed;
  };
  for (const auto& each : {Case{"127.0.0.1:7000", "127.0.0.1", 7000, false}, Case{"localhost:0", "localhost", 0, false},
                           Case{"[::1]:65535", "::1", 65535, true}, Case{"[fe80::1%eth0]:00080", "fe80::1%eth0", 80, true},
                           Case{"a-b_c.example:1", "a-b_c.example", 1, false}}) {
    const auto where = os::parse_host_and_port(each.text);
    ASSERT_TRUE(where) << each.text;
    EXPECT_EQ(where->host, each.host);
    EXPECT_EQ(where->port, each.port);
    EXPECT_EQ(where->is_bracketed, each.is_bracketed);
  }
}

TEST(TcpAddressText, WhatIsNoneIsRefused) {
  using namespace std::string_view_literals;
  for (const auto text : {""sv,
                          ":"sv,
                          "host"sv,
                          "host:"sv,
                          ":7000"sv,
                          "[]:7000"sv,
                          "[:7000"sv,
                          "]:7000"sv,
                          "::1:7000"sv,
                          "host:65536"sv,
                          "host:99999"sv,
                          "host:000080"sv,
                          "host:-1"sv,
                          "host:+1"sv,
                          "host: 1"sv,
                          "host:1 "sv,
                          "host:http"sv,
                          "host:0x50"sv,
                          "host:7000/"sv,
                          "//host:7000"sv,
                          "us er:7000"sv,
                          "user@host:7000"sv,
                          "h\xC3\xB6st:7000"sv,
                          "ho\0st:7000"sv,
                          "[::1\0]:7000"sv,
                          "host:7\0"sv,
                          "[::1]7000"sv,
                          "[::1]"sv}) {
    EXPECT_FALSE(os::parse_host_and_port(text)) << text;
  }
  EXPECT_TRUE(os::parse_host_and_port(std::string(253, 'a') + ":1"));
  EXPECT_FALSE(os::parse_host_and_port(std::string(254, 'a') + ":1"));
}

TEST(TcpAddressText, BracketsHoldAnAddressOfIpv6) {
  for (const char* text :
       {"[localhost]:1", "[127.0.0.1]:1", "[::1%]:1", "[::1%no-such-interface]:1", "[:::]:1", "[::1", "[[::1]]:1"}) {
    const auto where = os::parse_host_and_port(text);
    EXPECT_TRUE(!where || code_of(os::find_addresses(*where, Step::listen)) == Errc::invalid_endpoint) << text;
  }
}

TEST(TcpAddressText, IsTheSameAgainAfterReading) {
  for (const char* text : {"127.0.0.1:7000", "[::1]:0", "0.0.0.0:1", "[::]:65535", "[2001:db8::17]:443", "[fe80::1%1]:9"}) {
    EXPECT_EQ(os::to_text(address(text)), text);
  }
  EXPECT_EQ(os::to_text(address("[::ffff:127.0.0.1]:7")), "127.0.0.1:7") << "one address, one way to write it";
}

TEST(TcpAddressText, RandomTextIsReadOrRefused) {
  sluice_test::Random random;
  constexpr std::string_view kLetters = "0123456789abcdef.:[]%-_xyz \xFF";
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (auto left = random.up_to(23); left > 0; --left) text += kLetters[random.up_to(kLetters.size() - 1)];
    if (const auto where = os::parse_host_and_port(text)) {
      EXPECT_FALSE(where->host.empty()) << text;
      if (where->is_bracketed) (void)os::find_addresses(*where, Step::listen);  // asks nobody
    }
  }
}

TEST(TcpAddresses, OfTheLoopbackAreKnown) {
  for (const char* text : {"127.0.0.1:1", "127.255.255.254:1", "[::1]:1", "[::ffff:127.0.0.1]:1"})
    EXPECT_TRUE(os::is_loopback(address(text))) << text;
  for (const char* text : {"0.0.0.0:1", "128.0.0.1:1", "10.127.0.1:1", "[::]:1", "[::2]:1", "[fe80::1%1]:1", "[::127.0.0.1]:1",
                           "[::ffff:10.0.0.1]:1", "[7f00::1]:1"})
    EXPECT_FALSE(os::is_loopback(address(text))) << text;
  const auto of_name = os::find_addresses({.host = "localhost", .port = 5, .is_bracketed = false}, Step::connect);
  ASSERT_TRUE(of_name);
  for (const auto& found : *of_name) {
    EXPECT_TRUE(os::is_loopback(found));
    EXPECT_EQ(found.port, 5);
  }
}

}  // namespace
}  // namespace sluice::inline v0::test
