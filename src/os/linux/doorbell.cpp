// The doorbell as a socketpair(2): a ring is a byte. An eventfd(2) would do for two ends that trust each other, but both would
// share one open file, and with it the mode O_NONBLOCK, which the peer could take away: here each call says MSG_DONTWAIT.
#include "os/doorbell.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

int number(const links::Descriptor& descriptor) noexcept { return static_cast<int>(descriptor.native()); }

// A connected stream socket of this machine, which is all that ring() and silence() rely on.
bool is_local_stream(const links::Descriptor& handle) noexcept {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  int type = 0;
  socklen_t type_size = sizeof type;
  return ::getpeername(number(handle), reinterpret_cast<sockaddr*>(&peer), &size) == 0 && peer.ss_family == AF_UNIX &&
         ::getsockopt(number(handle), SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_STREAM;
}

}  // namespace

Result<Doorbell::Pair> Doorbell::create() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return failure(errno, Step::offer);
  return Pair{Doorbell{links::Descriptor{ends[0]}}, Doorbell{links::Descriptor{ends[1]}}};
}

Result<Doorbell> Doorbell::adopt(links::Descriptor handle) {
  if (!is_local_stream(handle)) return Error{Errc::protocol_error, Step::offer, 0, 0, 0};
  return Doorbell{std::move(handle)};
}

void Doorbell::ring() const noexcept {
  const std::byte ring{1};
  (void)::send(number(end_), &ring, sizeof ring, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool Doorbell::silence() const noexcept {
  // Usually one byte is there. A peer that rings without an end is not waited for: then it goes on ringing.
  constexpr int kReads = 16;
  std::array<std::byte, 256> rings;
  for (int i = 0; i < kReads; ++i) {
    const ssize_t count = ::recv(number(end_), rings.data(), rings.size(), MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    if (static_cast<std::size_t>(count) < rings.size()) break;
  }
  return true;
}

}  // namespace sluice::inline v0::os
