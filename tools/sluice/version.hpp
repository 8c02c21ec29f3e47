// What `sluice --version` prints, and what was built.
#pragma once

#include <string>
#include <string_view>

namespace tool {

// The version, the commit that was built, and the mechanisms built in.
[[nodiscard]] std::string version_text();
// The commit that was built, or "unknown".
[[nodiscard]] std::string_view built_commit() noexcept;

}  // namespace tool
