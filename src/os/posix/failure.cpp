// errno(3) to Errc.
#include "os/failure.hpp"

#include <cerrno>

namespace sluice::inline v0::os {
namespace {

Errc code_of(int os_code) noexcept {
  if (os_code == EAGAIN || os_code == EWOULDBLOCK) return Errc::would_block;
  switch (os_code) {
    case EPIPE:
    case ECONNRESET:
    // A connection over a network that the system has given up: the last ICMP error, or none came back (tcp(7), "Error
    // handling").
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ECONNABORTED:
      return Errc::peer_died;
    case EACCES:
    case EPERM:
    case EROFS:
      return Errc::access_denied;
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
      return Errc::not_found;
    case EADDRINUSE:
    case EEXIST:
      return Errc::address_in_use;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOSPC:
    case EDQUOT:
    case ETOOMANYREFS:
      return Errc::limit_reached;
    case ENOMEM:
      return Errc::out_of_memory;
    case ENAMETOOLONG:
    case ELOOP:
      return Errc::invalid_endpoint;
    case EBADF:
      return Errc::misuse;
    default:
      return Errc::not_supported;
  }
}

}  // namespace

Error failure(int os_code, Step step) noexcept { return Error{code_of(os_code), step, os_code, 0, 0}; }

}  // namespace sluice::inline v0::os
