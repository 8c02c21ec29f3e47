// What the tool asks of the terminal.
#pragma once

namespace tool {

// True if a person may be reading standard error.
[[nodiscard]] bool standard_error_is_terminal() noexcept;

}  // namespace tool
