// Text for the system, which speaks UTF-16, from the library's, which speaks UTF-8; what is no text becomes U+FFFD.
#pragma once

#include <string>
#include <string_view>

namespace sluice::inline v0::os {

[[nodiscard]] std::wstring to_wide(std::string_view text);
[[nodiscard]] std::string to_utf8(std::wstring_view text);

}  // namespace sluice::inline v0::os
