// Terminals on POSIX (isatty(3)).
#include "terminal.hpp"

#include <unistd.h>

namespace tool {

bool standard_error_is_terminal() noexcept { return ::isatty(STDERR_FILENO) == 1; }

}  // namespace tool
