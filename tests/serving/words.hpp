// What the server of these tests and its clients say to each other: a question comes back as it is, but for this answer.
#pragma once

#include <string_view>

namespace sluice_test {

inline constexpr std::string_view kEnough = "enough";  // close the channel

}  // namespace sluice_test
