// TCP over IPv4 and IPv6 on Winsock. A socket that is not connected yet sets an event (WSAEventSelect); one that is connected
// works by overlapped operations (overlapped_stream.hpp).
#include "os/tcp_socket.hpp"

// clang-format off: the order matters
#include "os/windows/winsock.hpp"
#include <mstcpip.h>
// clang-format on

#include <algorithm>
#include <cstring>
#include <utility>

#include "links/fault.hpp"
#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr int kProbes = 10;  // without an answer, and the host is gone: fixed since Vista ("SIO_KEEPALIVE_VALS control code")

// TCP_INITIAL_RTO_PARAMETERS of a newer mstcpip.h ("SIO_TCP_INITIAL_RTO"; Windows 8).
struct InitialRetransmissions {
  USHORT round_trip_time;
  UCHAR most_retransmissions;
};
constexpr DWORD kSetInitialRetransmissions = _WSAIOW(IOC_VENDOR, 17);
constexpr USHORT kDefaultRoundTripTime = 0xffff;
constexpr UCHAR kNoRetransmissions = 0xfe;

struct SystemAddress {
  sockaddr_storage storage{};
  int size{0};

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
    std::memcpy(&result.storage, &v6, sizeof v6);
    result.size = sizeof v6;
  } else {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, address.bytes.data(), sizeof v4.sin_addr);
    std::memcpy(&result.storage, &v4, sizeof v4);
    result.size = sizeof v4;
  }
  return result;
}

// A new socket and the event that it sets for `events`, which makes it non-blocking as well ("WSAEventSelect function").
Result<AwaitedSocket> new_socket(const TcpAddress& address, long events, Error (*failed)(int)) noexcept {
  if (auto started = start_winsock(); !started) return started.error();
  AwaitedSocket made;
  made.socket = own_socket(::WSASocketW(address.is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM, IPPROTO_TCP, nullptr, 0,
                                        WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT));
  if (!made.socket) return failed(::WSAGetLastError());
  made.event = own(::CreateEventW(nullptr, TRUE, FALSE, nullptr));
  if (!made.event) return failure(last_error(), Step::make_waiter);
  if (::WSAEventSelect(to_socket(made.socket), to_handle(made.event), events) != 0) return failed(::WSAGetLastError());
  return made;
}

bool set(const links::Descriptor& socket, int level, int option, int value) noexcept {
  return ::setsockopt(to_socket(socket), level, option, reinterpret_cast<const char*>(&value), sizeof value) == 0;
}

// No event any more: from now on the socket's operations are overlapped ones, or a tether's.
bool stop_events(SOCKET socket) noexcept { return ::WSAEventSelect(socket, nullptr, 0) == 0; }

// What keeps an address from being listened at.
Error listen_failure(int os_code) noexcept {
  Error error = failure(os_code, Step::take_port);
  if (os_code == WSAEADDRNOTAVAIL || os_code == WSAEINVAL) error.code = Errc::invalid_endpoint;
  // Taken by a socket that shares it with nobody either ("Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE").
  if (os_code == WSAEACCES) error.code = Errc::address_in_use;
  return error;
}

// What keeps a connection from being made ("connect function").
Error connect_failure(int os_code) noexcept {
  switch (os_code) {
    case WSAENETUNREACH:
    case WSAEHOSTUNREACH:
    case WSAEHOSTDOWN:
    case WSAENETDOWN:
    case WSAETIMEDOUT:
      return {Errc::not_found, Step::find_host, os_code, 0, 0};
    case WSAEACCES:
      return {Errc::access_denied, Step::find_host, os_code, 0, 0};
    case WSAEADDRNOTAVAIL:
      return {Errc::limit_reached, Step::connect, os_code, 0, 0};  // no port is left for this end
    case WSAEINVAL:
      return {Errc::invalid_endpoint, Step::connect, os_code, 0, 0};
    default:
      return failure(os_code, Step::connect);
  }
}

// What accept reports of the new connection, not of the listener.
bool is_about_the_client(int os_code) noexcept {
  return os_code == WSAECONNRESET || os_code == WSAECONNABORTED || os_code == WSAENETDOWN;
}

// Nobody answers on the own machine: that is known at once, and not after three tries in two seconds.
void refuse_at_once(const links::Descriptor& socket) noexcept {
  InitialRetransmissions none{kDefaultRoundTripTime, kNoRetransmissions};
  DWORD unused = 0;
  (void)::WSAIoctl(to_socket(socket), kSetInitialRetransmissions, &none, sizeof none, nullptr, 0, &unused, nullptr, nullptr);
}

using AskForAddress = int(WSAAPI*)(SOCKET, sockaddr*, int*);

Result<TcpAddress> address_by(AskForAddress call, const links::Descriptor& socket) {
  sockaddr_storage storage{};
  int size = sizeof storage;
  if (call(to_socket(socket), reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    const int os_code = ::WSAGetLastError();
    if (os_code == WSAENOTCONN) return Error{Errc::peer_died, Step::identify_peer, os_code, 0, 0};
    return failure(os_code, Step::identify_peer);
  }
  const auto address = address_of(reinterpret_cast<const sockaddr&>(storage));
  if (!address) return Error{Errc::not_supported, Step::identify_peer, 0, 0, 0};
  return *address;
}

// A number that the socket tells of itself, or -1.
int option(const links::Descriptor& socket, int name) noexcept {
  int value = -1;
  int size = sizeof value;
  const int told = ::getsockopt(to_socket(socket), SOL_SOCKET, name, reinterpret_cast<char*>(&value), &size);
  return told == 0 ? value : -1;
}

// A stream socket of IPv4 or IPv6, which listens or doesn't.
bool is_tcp(const links::Descriptor& socket, bool listens) noexcept {
  if (!start_winsock() || option(socket, SO_TYPE) != SOCK_STREAM) return false;
  WSAPROTOCOL_INFOW information{};
  int size = sizeof information;
  if (::getsockopt(to_socket(socket), SOL_SOCKET, SO_PROTOCOL_INFOW, reinterpret_cast<char*>(&information), &size) != 0) {
    return false;
  }
  const int family = information.iAddressFamily;
  return (family == AF_INET || family == AF_INET6) && (option(socket, SO_ACCEPTCONN) != 0) == listens;
}

constexpr Error kNotAdopted{Errc::misuse, Step::adopt, 0, 0, 0};

}  // namespace

Result<AwaitedSocket> listen_at(const TcpAddress& address) {
  auto made = new_socket(address, FD_ACCEPT, listen_failure);
  if (!made) return made;
  // Without it anybody could bind the same port besides, and take the connections ("Using SO_REUSEADDR and
  // SO_EXCLUSIVEADDRUSE"). Without IPV6_V6ONLY one could not listen on 0.0.0.0 and :: at the same time.
  if (!set(made->socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1)) return listen_failure(::WSAGetLastError());
  if (address.is_v6 && !set(made->socket, IPPROTO_IPV6, IPV6_V6ONLY, 1)) return listen_failure(::WSAGetLastError());
  const auto where = for_system(address);
  if (::bind(to_socket(made->socket), where.get(), where.size) != 0) return listen_failure(::WSAGetLastError());
  fault::point("after-bind");
  fault::point("before-listen");
  if (::listen(to_socket(made->socket), SOMAXCONN) != 0) return listen_failure(::WSAGetLastError());
  return made;
}

Result<links::Descriptor> accept_at(const AwaitedSocket& listening) noexcept {
  while (true) {
    // Takes the event back before the look: a connection that comes after it sets it again.
    WSANETWORKEVENTS unused{};
    if (::WSAEnumNetworkEvents(to_socket(listening.socket), to_handle(listening.event), &unused) != 0) {
      return failure(::WSAGetLastError(), Step::accept);
    }
    links::Descriptor socket = own_socket(::accept(to_socket(listening.socket), nullptr, nullptr));
    if (socket) {
      (void)::SetEvent(to_handle(listening.event));  // there may be more: the next look tells
      // What accept makes has the listener's event, and is inherited by programs that are started.
      if (!stop_events(to_socket(socket))) continue;
      (void)::SetHandleInformation(to_handle(socket), HANDLE_FLAG_INHERIT, 0);
      return socket;
    }
    const int os_code = ::WSAGetLastError();
    if (is_about_the_client(os_code)) continue;
    return failure(os_code, Step::accept);
  }
}

// Whoever shares it may have been faster, and may have made it blocking again; it still could if that happened in between.
Result<links::Descriptor> accept_at_shared(const AwaitedSocket& listening) noexcept {
  WSAPOLLFD waiting{.fd = to_socket(listening.socket), .events = POLLRDNORM, .revents = 0};
  if (::WSAPoll(&waiting, 1, 0) == 0) {
    (void)::ResetEvent(to_handle(listening.event));
    if (::WSAPoll(&waiting, 1, 0) == 0) return Error{Errc::would_block, Step::accept, 0, 0, 0};
  }
  return accept_at(listening);
}

Result<AwaitedSocket> start_connecting(const TcpAddress& address) {
  auto made = new_socket(address, FD_CONNECT, connect_failure);
  if (!made) return made;
  if (is_loopback(address)) refuse_at_once(made->socket);
  const auto where = for_system(address);
  if (::connect(to_socket(made->socket), where.get(), where.size) == 0) return made;
  const int os_code = ::WSAGetLastError();
  if (os_code == WSAEWOULDBLOCK) return made;
  return connect_failure(os_code);
}

Result<void> finish_connecting(const AwaitedSocket& connecting) {
  const SOCKET socket = to_socket(connecting.socket);
  WSANETWORKEVENTS happened{};
  if (::WSAEnumNetworkEvents(socket, to_handle(connecting.event), &happened) != 0) {
    return failure(::WSAGetLastError(), Step::connect);
  }
  if ((happened.lNetworkEvents & FD_CONNECT) == 0) return Error{Errc::would_block, Step::connect, 0, 0, 0};
  if (const int os_code = happened.iErrorCode[FD_CONNECT_BIT]; os_code != 0) return connect_failure(os_code);
  if (!stop_events(socket)) return failure(::WSAGetLastError(), Step::connect);
  const auto ends = ends_of(connecting.socket);
  if (!ends) return Error{ends.error().code, Step::connect, ends.error().os_code, 0, 0};
  // Two that connect at the same time are one connection (RFC 9293 3.5): a client that was given the port at which nobody
  // listens meets itself.
  if (ends->ours == ends->theirs) return connect_failure(WSAECONNREFUSED);
  return {};
}

Result<void> adopt_tcp_connection(const links::Descriptor& socket) noexcept {
  if (!is_tcp(socket, false) || !ends_of(socket)) return kNotAdopted;
  (void)::SetHandleInformation(to_handle(socket), HANDLE_FLAG_INHERIT, 0);
  return {};
}

Result<AwaitedSocket> adopt_tcp_listener(links::Descriptor socket) {
  if (!is_tcp(socket, true)) return kNotAdopted;
  AwaitedSocket adopted;
  adopted.event = own(::CreateEventW(nullptr, TRUE, FALSE, nullptr));
  if (!adopted.event) return failure(last_error(), Step::adopt);
  if (::WSAEventSelect(to_socket(socket), to_handle(adopted.event), FD_ACCEPT) != 0) return kNotAdopted;
  (void)::SetEvent(to_handle(adopted.event));  // who waits already is not told of
  (void)::SetHandleInformation(to_handle(socket), HANDLE_FLAG_INHERIT, 0);
  adopted.socket = std::move(socket);
  return adopted;
}

Result<void> prepare_connected(const links::Descriptor& socket, std::chrono::seconds keepalive) {
  bool done = set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  if (done && keepalive.count() > 0) {
    const auto idle = std::chrono::milliseconds{std::min(keepalive, kLongestKeepalive)};
    tcp_keepalive values{1, static_cast<ULONG>(idle.count()), static_cast<ULONG>((idle.count() + kProbes - 1) / kProbes)};
    DWORD unused = 0;
    done =
        ::WSAIoctl(to_socket(socket), SIO_KEEPALIVE_VALS, &values, sizeof values, nullptr, 0, &unused, nullptr, nullptr) == 0;
  }
  return done ? Result<void>{} : failure(::WSAGetLastError(), Step::connect);
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
  WSAPOLLFD state{.fd = to_socket(socket), .events = POLLWRNORM, .revents = 0};
  return ::WSAPoll(&state, 1, 0) >= 0 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

}  // namespace sluice::inline v0::os
