#include "os/adopted_socket.hpp"

#include <poll.h>
#include <sys/socket.h>

#include "os/handles.hpp"
#include "os/socket_calls.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr Error kNot{Errc::misuse, Step::adopt, 0, 0, 0};

int number(const links::Descriptor& descriptor) noexcept { return static_cast<int>(descriptor.native()); }

// A number that the socket tells of itself, or -1.
int option(const links::Descriptor& socket, int name) noexcept {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(number(socket), SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

bool is_connected(const links::Descriptor& socket) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  return ::getpeername(number(socket), reinterpret_cast<sockaddr*>(&address), &size) == 0;
}

}  // namespace

bool is_stream_socket(const links::Descriptor& handle, int family) noexcept {
  return option(handle, SO_TYPE) == SOCK_STREAM && option(handle, SO_DOMAIN) == family;
}

Result<void> prepare_adopted_connection(const links::Descriptor& socket) noexcept {
  if (option(socket, SO_ACCEPTCONN) != 0 || !is_connected(socket) || !set_close_on_exec(socket)) return kNot;
  return {};
}

Result<void> prepare_adopted_listener(const links::Descriptor& socket) noexcept {
  if (option(socket, SO_ACCEPTCONN) != 1 || !set_close_on_exec(socket) || !set_nonblocking(socket)) return kNot;
  return {};
}

Result<links::Descriptor> accept_shared(const links::Descriptor& listening) noexcept {
  pollfd waiting{.fd = number(listening), .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, 0) == 0) return Error{Errc::would_block, Step::accept, 0, 0, 0};
  return accept_connection(listening);
}

}  // namespace sluice::inline v0::os
