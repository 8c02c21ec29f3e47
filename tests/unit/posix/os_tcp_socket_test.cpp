// TCP sockets: what a live listener has is never shared, what a dead one had is free, and who meets itself has found nobody.
#include "os/tcp_socket.hpp"

#include <netinet/in.h>

#include "unit/tcp_support.hpp"

namespace sluice::inline v0::test {
namespace {

TEST(TcpSockets, ALivePortIsNeverShared) {
  const auto listening = listen_anywhere();
  const auto where = os::own_address(listening).value();
  EXPECT_EQ(code_of(os::listen_at(where)), Errc::address_in_use);
  auto everywhere = where;
  everywhere.bytes = {};
  EXPECT_EQ(code_of(os::listen_at(everywhere)), Errc::address_in_use) << "nor on all addresses together";
  const auto client = connect_to(where);
  const auto accepted = accept_on(listening);
  EXPECT_EQ(code_of(os::listen_at(where)), Errc::address_in_use);
}

TEST(TcpSockets, APortThatOnlyConnectionsHaveIsFree) {
  auto listening = listen_anywhere();
  const auto where = os::own_address(listening).value();
  auto client = connect_to(where);
  auto accepted = accept_on(listening);
  listening.reset();
  EXPECT_TRUE(os::listen_at(where)) << "a channel that outlives its listener";
  accepted.reset();  // this side closes first: it is the one that stays in TIME_WAIT (RFC 9293 3.6)
  EXPECT_TRUE(os::listen_at(where)) << "FIN_WAIT2";
  char byte = 0;
  EXPECT_EQ(::recv(native(client), &byte, 1, 0), 0);
  client.reset();
  EXPECT_TRUE(os::listen_at(where)) << "TIME_WAIT";
}

TEST(TcpSockets, IPv4AndIPv6OfOnePortAreTwoPlaces) {
  const auto six = os::listen_at(address("[::]:0"));
  if (!six && six.error().code == Errc::not_supported) GTEST_SKIP() << "no IPv6 here";
  ASSERT_TRUE(six);
  auto four = address("0.0.0.0:0");
  four.port = os::own_address(six->socket).value().port;
  const auto also = os::listen_at(four);
  EXPECT_TRUE(also || also.error().code == Errc::address_in_use);  // somebody else's, by chance
  EXPECT_EQ(code_of(os::listen_at(os::own_address(six->socket).value())), Errc::address_in_use);
}

// Where nobody listens a client can meet itself: that is nobody, and must not take the port from the listener to come.
TEST(TcpSockets, AClientThatMeetsItselfHasFoundNobody) {
  links::Descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(native(socket), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
  socklen_t size = sizeof own;
  ASSERT_EQ(::getsockname(native(socket), reinterpret_cast<sockaddr*>(&own), &size), 0);
  ASSERT_EQ(::connect(native(socket), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0) << "a simultaneous open";
  EXPECT_EQ(code_of(os::finish_connecting({std::move(socket), {}})), Errc::not_found);
}

TEST(TcpSockets, WhatCannotBeReachedIsSaidAtOnce) {
  const auto listening = listen_anywhere();
  auto nobody = os::own_address(listening).value();
  nobody.bytes[3] = 2;  // 127.0.0.2: another address, the same port
  const auto refused = os::start_connecting(nobody);
  const auto why = refused ? os::finish_connecting(*refused) : Result<void>{refused.error()};
  EXPECT_EQ(code_of(why), Errc::not_found);
  EXPECT_EQ(why.error().step, Step::connect);
  const auto multicast = os::start_connecting(address("224.0.0.1:7"));
  ASSERT_EQ(code_of(multicast), Errc::not_found);
  EXPECT_EQ(multicast.error().step, Step::find_host);
  const auto not_ours = os::listen_at(address("192.0.2.1:0"));  // TEST-NET-1, RFC 5737
  ASSERT_EQ(code_of(not_ours), Errc::invalid_endpoint);
  EXPECT_EQ(not_ours.error().step, Step::take_port);
}

}  // namespace
}  // namespace sluice::inline v0::test
