// The standard streams on POSIX.
#include "standard_streams.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace tool {

// open(2) gives the lowest free number. The direction is the wrong one on purpose: EBADF is what a closed stream answers.
void occupy_standard_streams() noexcept {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0) (void)::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

bool standard_error_is_terminal() noexcept { return ::isatty(STDERR_FILENO) == 1; }

}  // namespace tool
