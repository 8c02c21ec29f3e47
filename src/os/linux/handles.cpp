#include "os/handles.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

int number(const links::Descriptor& descriptor) noexcept { return static_cast<int>(descriptor.native()); }

}  // namespace

bool is_shared_memory(const links::Descriptor& handle, std::size_t size) {
  // First what no file system is asked for: only memory files can have seals (fcntl(2), F_GET_SEALS). A descriptor of a file
  // system in user space would make the next calls wait for it.
  if (::fcntl(number(handle), F_GET_SEALS) < 0) return false;
  struct stat status{};
  struct statfs system{};
  if (::fstat(number(handle), &status) != 0 || ::fstatfs(number(handle), &system) != 0) return false;
  return S_ISREG(status.st_mode) && status.st_size >= 0 && static_cast<std::size_t>(status.st_size) == size &&
         system.f_type == TMPFS_MAGIC && (::fcntl(number(handle), F_GETFL) & O_ACCMODE) == O_RDWR;
}

bool set_nonblocking(const links::Descriptor& handle) noexcept {
  const int flags = ::fcntl(number(handle), F_GETFL);
  return flags >= 0 && ::fcntl(number(handle), F_SETFL, flags | O_NONBLOCK) == 0;
}

bool set_close_on_exec(const links::Descriptor& handle) noexcept { return ::fcntl(number(handle), F_SETFD, FD_CLOEXEC) == 0; }

Result<links::Descriptor> duplicate(links::Descriptor::Native handle, Step step) {
  links::Descriptor second{::fcntl(static_cast<int>(handle), F_DUPFD_CLOEXEC, 0)};
  if (!second) return failure(errno, step);
  return second;
}

}  // namespace sluice::inline v0::os
