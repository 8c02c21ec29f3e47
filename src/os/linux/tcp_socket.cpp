// TCP over IPv4 and IPv6 as Linux has it: tcp(7), ip(7), ipv6(7), socket(7).
#include "os/tcp_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "links/fault.hpp"
#include "os/adopted_socket.hpp"
#include "os/connection_tether.hpp"
#include "os/failure.hpp"
#include "os/socket_calls.hpp"
#include "os/socket_stream.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr int kProbes = 4;  // without an answer, and the host is gone

int number(const links::Descriptor& descriptor) noexcept { return static_cast<int>(descriptor.native()); }

struct SystemAddress {
  sockaddr_storage storage{};
  socklen_t size{0};

  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

SystemAddress for_system(const TcpAddress& address) noexcept {
  SystemAddress result;
  if (address.is_v6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    v6.sin6_scope_id = address.scope;
    std::memcpy(&v6.sin6_addr, address.bytes.data(), sizeof v6.sin6_addr);
    std::memcpy(&result.storage, &v6, result.size = sizeof v6);
  } else {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, address.bytes.data(), sizeof v4.sin_addr);
    std::memcpy(&result.storage, &v4, result.size = sizeof v4);
  }
  return result;
}

links::Descriptor new_socket(const TcpAddress& address) noexcept {
  return links::Descriptor{::socket(address.is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
}

bool set(const links::Descriptor& socket, int level, int option, int value) noexcept {
  return ::setsockopt(number(socket), level, option, &value, sizeof value) == 0;
}

// What keeps an address from being listened at.
Error listen_failure(int os_code) noexcept {
  Error error = failure(os_code, Step::take_port);
  if (os_code == EADDRNOTAVAIL || os_code == EINVAL) error.code = Errc::invalid_endpoint;  // ip(7); EINVAL: an IPv6 scope
  return error;
}

// What keeps a connection from being made (connect(2), "Errors"; ip(7)).
Error connect_failure(int os_code) noexcept {
  switch (os_code) {
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ETIMEDOUT:
      return {Errc::not_found, Step::find_host, os_code, 0, 0};
    case EACCES:
    case EPERM:
      return {Errc::access_denied, Step::find_host, os_code, 0, 0};
    case EADDRNOTAVAIL:
    case EAGAIN:
      return {Errc::limit_reached, Step::connect, os_code, 0, 0};  // no port is left for this end
    case EINVAL:
      return {Errc::invalid_endpoint, Step::connect, os_code, 0, 0};
    default:
      return failure(os_code, Step::connect);
  }
}

bool is_tcp(const links::Descriptor& handle) noexcept {
  return is_stream_socket(handle, AF_INET) || is_stream_socket(handle, AF_INET6);
}

Result<TcpAddress> address_by(int (*call)(int, sockaddr*, socklen_t*), const links::Descriptor& socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (call(number(socket), reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    if (errno == ENOTCONN) return Error{Errc::peer_died, Step::identify_peer, errno, 0, 0};
    return failure(errno, Step::identify_peer);
  }
  const auto address = address_of(reinterpret_cast<const sockaddr&>(storage));
  if (!address) return Error{Errc::not_supported, Step::identify_peer, 0, 0, 0};
  return *address;
}

}  // namespace

Result<AwaitedSocket> listen_at(const TcpAddress& address) {
  links::Descriptor socket = new_socket(address);
  if (!socket) return listen_failure(errno);
  // SO_REUSEADDR: connections in whatever state don't stop it, an active listener does (socket(7)); SO_REUSEPORT, which would
  // share the port, stays off. Without IPV6_V6ONLY one could not listen on 0.0.0.0 and :: at the same time (ipv6(7)).
  if (!set(socket, SOL_SOCKET, SO_REUSEADDR, 1)) return listen_failure(errno);
  if (address.is_v6 && !set(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1)) return listen_failure(errno);
  const auto where = for_system(address);
  if (::bind(number(socket), where.get(), where.size) != 0) return listen_failure(errno);
  fault::point("after-bind");
  fault::point("before-listen");
  // Two may have bound it by now, and neither listens: listen(2) lets one of them through (EADDRINUSE). SOMAXCONN is what the
  // system allows at most: silent clients must not keep others out.
  if (::listen(number(socket), SOMAXCONN) != 0) return listen_failure(errno);
  return AwaitedSocket{std::move(socket), {}};
}

Result<links::Descriptor> accept_at(const AwaitedSocket& listening) noexcept { return accept_connection(listening.socket); }
Result<links::Descriptor> accept_at_shared(const AwaitedSocket& listening) noexcept { return accept_shared(listening.socket); }

Result<AwaitedSocket> start_connecting(const TcpAddress& address) {
  links::Descriptor socket = new_socket(address);
  if (!socket) return connect_failure(errno);
  const auto where = for_system(address);
  if (::connect(number(socket), where.get(), where.size) == 0 || errno == EINPROGRESS || errno == EINTR) {
    return AwaitedSocket{std::move(socket), {}};
  }
  return connect_failure(errno);
}

// As connect(2) says under EINPROGRESS: writable, and then SO_ERROR.
Result<void> finish_connecting(const AwaitedSocket& connecting) {
  const links::Descriptor& socket = connecting.socket;
  pollfd writable{.fd = number(socket), .events = POLLOUT, .revents = 0};
  const int ready = ::poll(&writable, 1, 0);
  if (ready < 0 && errno != EINTR) return failure(errno, Step::connect);
  if (ready <= 0) return Error{Errc::would_block, Step::connect, 0, 0, 0};
  int os_code = 0;
  socklen_t size = sizeof os_code;
  if (::getsockopt(number(socket), SOL_SOCKET, SO_ERROR, &os_code, &size) != 0) os_code = errno;
  if (os_code != 0) return connect_failure(os_code);
  const auto ends = ends_of(socket);
  if (!ends) return Error{ends.error().code, Step::connect, ends.error().os_code, 0, 0};
  // Where nobody listens on a port that the system gives to clients as well, a client may be given that very port, and meets
  // itself: two that connect at the same time are one connection (RFC 9293 3.5, "simultaneous open").
  if (ends->ours == ends->theirs) return connect_failure(ECONNREFUSED);
  return {};
}

Result<void> adopt_tcp_connection(const links::Descriptor& socket) noexcept {
  if (!is_tcp(socket)) return Error{Errc::misuse, Step::adopt, 0, 0, 0};
  return prepare_adopted_connection(socket);
}

Result<AwaitedSocket> adopt_tcp_listener(links::Descriptor socket) {
  if (!is_tcp(socket)) return Error{Errc::misuse, Step::adopt, 0, 0, 0};
  if (auto prepared = prepare_adopted_listener(socket); !prepared) return prepared.error();
  return AwaitedSocket{std::move(socket), {}};
}

Result<std::unique_ptr<links::StreamLink>> make_tcp_link(links::Descriptor socket) {
  return std::unique_ptr<links::StreamLink>(std::make_unique<SocketStream>(std::move(socket)));
}

// The system tells of the user whose the socket is, and not of the process.
Result<std::unique_ptr<links::Tether>> tether_to_tcp(const links::Descriptor& socket) { return tether_to_connection(socket); }

Result<void> prepare_connected(const links::Descriptor& socket, std::chrono::seconds keepalive) {
  bool done = set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  if (done && keepalive.count() > 0) {
    // Not TCP_USER_TIMEOUT: it would also end a connection whose peer lives and only doesn't receive (tcp(7)).
    const int idle = static_cast<int>(std::min(keepalive, kLongestKeepalive).count());
    done = set(socket, IPPROTO_TCP, TCP_KEEPIDLE, idle) &&
           set(socket, IPPROTO_TCP, TCP_KEEPINTVL, (idle + kProbes - 1) / kProbes) &&
           set(socket, IPPROTO_TCP, TCP_KEEPCNT, kProbes) && set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  }
  return done ? Result<void>{} : failure(errno, Step::connect);
}

Result<TcpAddress> own_address(const links::Descriptor& socket) { return address_by(::getsockname, socket); }

Result<TcpEnds> ends_of(const links::Descriptor& socket) {
  const auto ours = address_by(::getsockname, socket);
  if (!ours) return ours.error();
  const auto theirs = address_by(::getpeername, socket);
  if (!theirs) return theirs.error();
  return TcpEnds{*ours, *theirs};
}

bool is_established(const links::Descriptor& socket) noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  return ::getsockopt(number(socket), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_ESTABLISHED;
}

}  // namespace sluice::inline v0::os
