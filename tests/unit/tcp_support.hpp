// What the tests of TCP below the handshake share: addresses from text, raw listeners and clients.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <utility>

#include "os/tcp_address.hpp"
#include "os/tcp_socket.hpp"
#include "unit/os_support.hpp"

namespace sluice::inline v0::test {

inline constexpr int kPatience = 10'000;      // milliseconds, for an event
inline constexpr unsigned kStranger = 12345;  // another user

[[nodiscard]] inline os::TcpAddress address(const std::string& text) {
  return os::find_addresses(os::parse_host_and_port(text).value(), Step::listen).value().at(0);
}

[[nodiscard]] inline int native(const links::Descriptor& descriptor) { return static_cast<int>(descriptor.native()); }

[[nodiscard]] inline links::Descriptor listen_anywhere(const char* host = "127.0.0.1:0") {
  return os::listen_at(address(host)).value().socket;
}

// A raw client, connected.
[[nodiscard]] inline links::Descriptor connect_to(const os::TcpAddress& where) {
  auto connecting = os::start_connecting(where).value();
  pollfd writable{native(connecting.socket), POLLOUT, 0};
  EXPECT_EQ(::poll(&writable, 1, kPatience), 1);
  EXPECT_TRUE(os::finish_connecting(connecting));
  return std::move(connecting.socket);
}

[[nodiscard]] inline links::Descriptor accept_on(const links::Descriptor& listening) {
  pollfd readable{native(listening), POLLIN, 0};
  EXPECT_EQ(::poll(&readable, 1, kPatience), 1);
  return links::Descriptor{::accept4(native(listening), nullptr, nullptr, SOCK_CLOEXEC)};
}

}  // namespace sluice::inline v0::test
