// An abstract address begins with a NUL, and is as long as its length says (unix(7)).
#include "os/abstract_socket.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;  // behind the NUL

links::Descriptor new_socket() noexcept {
  return links::Descriptor{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
}

bool call_with(int (*call)(int, const sockaddr*, socklen_t), const links::Descriptor& socket, std::string_view name) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return call(static_cast<int>(socket.native()), reinterpret_cast<const sockaddr*>(&address), size) == 0;
}

}  // namespace

Result<AbstractName> AbstractName::of(std::string_view name, Step step) {
  if (name.size() > kLongest) {
    return Error{Errc::invalid_endpoint, Step::bind_name, ENAMETOOLONG, static_cast<std::int64_t>(name.size()), kLongest};
  }
  // Without a name the system would make one up ("Autobind feature" there).
  if (name.empty() || name.find('\0') != std::string_view::npos) return Error{Errc::invalid_endpoint, step, 0, 0, 0};
  return AbstractName{name};
}

Result<links::Descriptor> AbstractName::bind() const {
  links::Descriptor socket = new_socket();
  if (!socket || !call_with(::bind, socket, name_)) return failure(errno, Step::take_name);
  return socket;
}

Result<links::Descriptor> AbstractName::connect() const {
  links::Descriptor socket = new_socket();
  // Non-blocking, it is done at once or fails with EAGAIN: there is nothing to wait for (connect(2)).
  if (socket && call_with(::connect, socket, name_)) return socket;
  if (errno == EPROTOTYPE) return Error{Errc::protocol_error, Step::connect, errno, 0, 0};  // a socket, but no stream
  return failure(errno, Step::connect);
}

}  // namespace sluice::inline v0::os
