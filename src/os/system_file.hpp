// Numbers that the system tells in files of one line (/proc/sys).
#pragma once

#include <cstdint>
#include <optional>

namespace sluice::inline v0::os {

// The number at the beginning of that file; nothing if there is none.
[[nodiscard]] std::optional<std::uint64_t> read_number(const char* path) noexcept;

}  // namespace sluice::inline v0::os
