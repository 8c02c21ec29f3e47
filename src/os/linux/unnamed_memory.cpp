// memfd_create(2), and the seals of fcntl(2) ("File Sealing").
#include "os/unnamed_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr unsigned kNoExecSeal = 8;      // MFD_NOEXEC_SEAL, Linux 6.3 (memfd_create(2)); Debian 12's headers are older
constexpr const char* kName = "sluice";  // shown in /proc/PID/fd, and nowhere else

constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW;

int number(const links::Descriptor& descriptor) noexcept { return static_cast<int>(descriptor.native()); }

}  // namespace

Result<links::Descriptor> new_unnamed_memory() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  links::Descriptor memory{::memfd_create(kName, kFlags | kNoExecSeal)};
  // EINVAL: a flag that this system doesn't know.
  if (!memory && errno == EINVAL) memory = links::Descriptor{::memfd_create(kName, kFlags)};
  if (!memory) return failure(errno, Step::make_region);
  return memory;
}

Result<void> seal_size(const links::Descriptor& memory) {
  if (::fcntl(number(memory), F_ADD_SEALS, kSizeSeals | F_SEAL_SEAL) != 0) return failure(errno, Step::make_region);
  return {};
}

bool has_sealed_size(const links::Descriptor& memory) noexcept {
  const int seals = ::fcntl(number(memory), F_GET_SEALS);
  return seals >= 0 && (seals & kSizeSeals) == kSizeSeals;
}

}  // namespace sluice::inline v0::os
