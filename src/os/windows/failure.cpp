// System error codes (winerror.h) and those of Winsock (winsock2.h, "Windows Sockets Error Codes") to Errc.
#include "os/failure.hpp"

#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::os {
namespace {

Errc code_of_socket(int os_code) noexcept {
  switch (os_code) {
    case WSAEWOULDBLOCK:
      return Errc::would_block;
    case WSAECONNRESET:
    case WSAECONNABORTED:
    case WSAENETRESET:
    case WSAESHUTDOWN:
    // A connection over a network that the system has given up.
    case WSAETIMEDOUT:
    case WSAEHOSTUNREACH:
    case WSAEHOSTDOWN:
    case WSAENETUNREACH:
    case WSAENETDOWN:
      return Errc::peer_died;
    case WSAEACCES:
      return Errc::access_denied;
    case WSAECONNREFUSED:
      return Errc::not_found;
    case WSAEADDRINUSE:
      return Errc::address_in_use;
    case WSAEMFILE:
    case WSAENOBUFS:
    case WSAEPROCLIM:
      return Errc::limit_reached;
    case WSAEBADF:
    case WSAENOTSOCK:
      return Errc::misuse;
    default:
      return Errc::not_supported;
  }
}

Errc code_of(int os_code) noexcept {
  switch (os_code) {
    case ERROR_BROKEN_PIPE:
    case ERROR_NO_DATA:
    case ERROR_PIPE_NOT_CONNECTED:
    // How sockets fail where they are treated as files (GetOverlappedResult).
    case ERROR_NETNAME_DELETED:
    case ERROR_CONNECTION_ABORTED:
    case ERROR_GRACEFUL_DISCONNECT:
    case ERROR_SEM_TIMEOUT:
      return Errc::peer_died;
    case ERROR_ACCESS_DENIED:
    case ERROR_PRIVILEGE_NOT_HELD:
    case ERROR_WRITE_PROTECT:
      return Errc::access_denied;
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_CONNECTION_REFUSED:
      return Errc::not_found;
    case ERROR_ALREADY_EXISTS:
    case ERROR_FILE_EXISTS:
      return Errc::address_in_use;
    case ERROR_TOO_MANY_OPEN_FILES:
    case ERROR_NO_SYSTEM_RESOURCES:
    case ERROR_MAX_THRDS_REACHED:
    case ERROR_DISK_FULL:
    case ERROR_COMMITMENT_LIMIT:
    case ERROR_WORKING_SET_QUOTA:
      return Errc::limit_reached;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
      return Errc::out_of_memory;
    case ERROR_INVALID_NAME:
    case ERROR_FILENAME_EXCED_RANGE:
      return Errc::invalid_endpoint;
    case ERROR_INVALID_HANDLE:
      return Errc::misuse;
    default:
      return code_of_socket(os_code);
  }
}

}  // namespace

Error failure(int os_code, Step step) noexcept { return Error{code_of(os_code), step, os_code, 0, 0}; }

}  // namespace sluice::inline v0::os
