// sluice::Handle over file descriptors. It stands on nothing else: what a program holds is no business of the library's
// registry of descriptors (os/fork.hpp).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <sluice/handle.hpp>

#include "os/failure.hpp"

namespace sluice::inline v0 {
namespace {

int number(Handle::Native native) noexcept { return static_cast<int>(native); }

HandleKind kind_of(unsigned mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return HandleKind::file;
    case S_IFDIR:
      return HandleKind::folder;
    case S_IFIFO:
      return HandleKind::pipe;
    case S_IFSOCK:
      return HandleKind::socket;
    case S_IFCHR:
    case S_IFBLK:
      return HandleKind::device;
    default:
      return HandleKind::other;  // what lies in no file system has no type (eventfd, epoll)
  }
}

}  // namespace

Result<Handle> Handle::duplicate(Native borrowed) {
  const int second = ::fcntl(number(borrowed), F_DUPFD_CLOEXEC, 0);
  if (second < 0) return os::failure(errno, Step::attach);
  return Handle{second};
}

HandleKind Handle::kind() const noexcept {
  struct statx status{};
  // AT_STATX_DONT_SYNC: a file system in user space, or over a network, is not asked (statx(2)); a file's type never changes.
  if (::statx(number(native_), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) != 0) return HandleKind::none;
  const HandleKind kind = kind_of(status.stx_mode);
  // Only what lies in the system's memory can have seals (fcntl(2), F_GET_SEALS: EINVAL for any other file system).
  return kind == HandleKind::file && ::fcntl(number(native_), F_GET_SEALS) >= 0 ? HandleKind::memory : kind;
}

void Handle::close() noexcept {
  // Not repeated after EINTR: Linux has released the number by then (close(2), "Dealing with error returns").
  if (native_ != kNone) ::close(number(std::exchange(native_, kNone)));
}

}  // namespace sluice::inline v0
