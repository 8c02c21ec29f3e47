// sendmsg(2), recvmsg(2) and accept4(2) with the flags that Linux has: nothing here depends on O_NONBLOCK, which whoever shares
// the socket could change.
#include "os/socket_calls.hpp"

#include <algorithm>
#include <cerrno>

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

int number(const links::Descriptor& descriptor) noexcept { return static_cast<int>(descriptor.native()); }

// What accept(2) reports of the new connection, not of the listener ("Error handling" there: to be tried again).
bool is_about_the_client(int os_code) noexcept {
  constexpr auto kCodes = std::to_array({EINTR, ECONNABORTED, ENETDOWN, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH,
                                         EOPNOTSUPP, ENETUNREACH, ETIMEDOUT});
  return std::ranges::find(kCodes, os_code) != kCodes.end();
}

}  // namespace

Result<std::size_t> send_now(const links::Descriptor& socket, const msghdr& message, ResetMark& reset) noexcept {
  while (true) {
    const ssize_t count = ::sendmsg(number(socket), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EINTR) continue;
    const Error error = failure(errno, Step::send);
    // EPIPE: nobody reads any more, which is no reset of what the peer has said (send(2)).
    if (error.code == Errc::peer_died && error.os_code != EPIPE) reset.set();
    return error;
  }
}

Result<std::size_t> receive_now(const links::Descriptor& socket, msghdr& message, ResetMark& reset) noexcept {
  while (true) {
    const ssize_t count = ::recvmsg(number(socket), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EINTR) continue;
    const Error error = failure(errno, Step::receive);
    if (error.code != Errc::peer_died) return error;
    // A peer that closed, or died, with unread input resets; what it had sent has been read before (the queue comes first).
    message.msg_controllen = 0;
    message.msg_flags = 0;
    reset.set();
    return std::size_t{0};
  }
}

Result<void> finish_writing_now(const links::Descriptor& socket) noexcept {
  // ENOTCONN: the connection is gone altogether (shutdown(2)), and so nothing is left to be ended.
  if (::shutdown(number(socket), SHUT_WR) == 0 || errno == ENOTCONN) return {};
  return failure(errno, Step::finish);
}

Result<links::Descriptor> accept_connection(const links::Descriptor& listening) noexcept {
  while (true) {
    links::Descriptor socket{::accept4(number(listening), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (socket) return socket;
    if (is_about_the_client(errno)) continue;
    if (errno == ENOMEM) return Error{Errc::limit_reached, Step::accept, errno, 0, 0};
    return failure(errno, Step::accept);
  }
}

}  // namespace sluice::inline v0::os
