// fallocate(2), mode 0. On tmpfs a signal interrupts it and undoes what it has done (mm/shmem.c, shmem_fallocate), so it goes
// in steps of which each is soon done.
#include "os/reserve.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr std::size_t kStep = std::size_t{1} << 20;  // 256 pages: some tens of microseconds

std::int64_t bytes_left(int file) noexcept {
  struct statvfs status{};
  return ::fstatvfs(file, &status) == 0 ? static_cast<std::int64_t>(status.f_bavail * status.f_frsize) : 0;
}

// 0 or an error number.
int allocate(int file, off_t offset, off_t size) noexcept {
  while (::fallocate(file, 0, offset, size) != 0) {
    if (errno == EINTR) continue;
    // A file system that can't: the C library writes a byte into each block that has none (posix_fallocate(3)).
    return errno == EOPNOTSUPP ? ::posix_fallocate(file, offset, size) : errno;
  }
  return 0;
}

}  // namespace

Result<void> back_with_memory(const links::Descriptor& file, std::size_t offset, std::size_t size) {
  const int descriptor = static_cast<int>(file.native());
  for (std::size_t done = 0; done < size; done += kStep) {
    const int os_code =
        allocate(descriptor, static_cast<off_t>(offset + done), static_cast<off_t>(std::min(kStep, size - done)));
    if (os_code == ENOSPC || os_code == ENOMEM || os_code == EDQUOT) {
      return Error{Errc::limit_reached, Step::reserve_memory, os_code, static_cast<std::int64_t>(size), bytes_left(descriptor)};
    }
    if (os_code != 0) return failure(os_code, Step::reserve_memory);
  }
  return {};
}

}  // namespace sluice::inline v0::os
