#include "os/mapping.hpp"

#include <sys/mman.h>

#include <cerrno>

#include "os/failure.hpp"

namespace sluice::inline v0::os {

Result<Mapping> Mapping::map(const links::Descriptor& file, std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, static_cast<int>(file.native()), 0);
  if (memory != MAP_FAILED) return Mapping{{static_cast<std::byte*>(memory), size}};
  if (errno == ENOMEM) return Error{Errc::limit_reached, Step::map_region, errno, static_cast<std::int64_t>(size), 0};
  return failure(errno, Step::map_region);
}

Mapping::~Mapping() {
  if (!memory_.empty()) ::munmap(memory_.data(), memory_.size());
}

}  // namespace sluice::inline v0::os
