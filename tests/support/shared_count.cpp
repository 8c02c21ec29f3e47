#include "shared_count.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>

namespace sluice_test {

SharedCount::SharedCount() : fd_(memfd_create("sluice-test-count", MFD_CLOEXEC)) {
  if (fd_ < 0 || ftruncate(fd_, sizeof(*count_)) != 0) throw std::system_error(errno, std::generic_category(), "memfd_create");
  map(fd_);
}

SharedCount::SharedCount(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), path);
  map(fd);
  close(fd);
}

SharedCount::~SharedCount() {
  munmap(count_, sizeof(*count_));
  if (fd_ >= 0) close(fd_);
}

void SharedCount::map(int fd) {
  void* memory = mmap(nullptr, sizeof(*count_), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  count_ = static_cast<std::uint64_t*>(memory);
}

std::string SharedCount::path() const { return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_); }

// relaxed: nothing else rests on it; it is read for good when the writer has died, and the kernel orders that
void SharedCount::store(std::uint64_t count) noexcept { std::atomic_ref(*count_).store(count, std::memory_order_relaxed); }

std::uint64_t SharedCount::load() const noexcept { return std::atomic_ref(*count_).load(std::memory_order_relaxed); }

}  // namespace sluice_test
