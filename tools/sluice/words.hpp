// The words of the command line, as UTF-8.
#pragma once

#include <string>
#include <vector>

namespace tool {

// Those that main() was given; where the system gives main() something else than text in UTF-8, what it really was started
// with.
[[nodiscard]] std::vector<std::string> words_of(int argc, const char* const* argv);

}  // namespace tool
