// Names of files in the runtime folder: short, of harmless characters, and different for different places.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::inline v0::os {

// "KIND-PLACE" with everything but letters, digits, '.', '_' and '-' as %XX; of long places a hash: "KIND~0123456789abcdef".
// Then two places could have one name: whoever uses it keeps the place itself beside it and compares.
[[nodiscard]] std::string short_name(std::string_view kind, std::string_view place);

// The place with everything but the same characters as %XX: on one line, without spaces.
[[nodiscard]] std::string encode(std::string_view place);

// 16 hexadecimal digits.
[[nodiscard]] std::string hexadecimal(std::uint64_t number);

}  // namespace sluice::inline v0::os
