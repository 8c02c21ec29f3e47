// links/inheritance.hpp over environ(7) and file descriptors.
#include "links/inheritance.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <mutex>

#include "os/failure.hpp"

namespace sluice::inline v0::links {
namespace {

// Of this copy of the library. Held in no forked child: whoever forks while another thread takes a variable breaks the rule
// that nobody reads the environment meanwhile.
constinit std::mutex environment_mutex;

}  // namespace

std::optional<std::string> take_variable(const std::string& name) {
  const std::lock_guard lock(environment_mutex);
  // NOLINTBEGIN(concurrency-mt-unsafe): inherited() says that no other thread reads the environment
  const char* const value = ::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  std::string taken{value};
  ::unsetenv(name.c_str());
  // NOLINTEND(concurrency-mt-unsafe)
  return taken;
}

Result<Descriptor> duplicate_inherited(Descriptor::Native number) {
  if (number < 0 || number > INT_MAX) return Error{Errc::misuse, Step::inherit, EBADF, 0, 0};
  Descriptor second{::fcntl(static_cast<int>(number), F_DUPFD_CLOEXEC, 0)};
  if (!second) return os::failure(errno, Step::inherit);
  return second;
}

void close_inherited(Descriptor::Native number) noexcept { ::close(static_cast<int>(number)); }

void keep_from_programs(Descriptor::Native number) noexcept {
  if (number > STDERR_FILENO && number <= INT_MAX) (void)::fcntl(static_cast<int>(number), F_SETFD, FD_CLOEXEC);
}

Result<Descriptor> beside_standard_streams(Descriptor handle) {
  if (handle.native() > STDERR_FILENO) return handle;
  Descriptor higher{::fcntl(static_cast<int>(handle.native()), F_DUPFD_CLOEXEC, STDERR_FILENO + 1)};
  if (!higher) return os::failure(errno, Step::inherit);
  return higher;
}

}  // namespace sluice::inline v0::links
