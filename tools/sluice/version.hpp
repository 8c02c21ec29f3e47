// What `sluice --version` prints.
#pragma once

#include <string>

namespace tool {

// The version, the commit that was built, and the mechanisms built in.
[[nodiscard]] std::string version_text();

}  // namespace tool
