#include "words.hpp"

namespace tool {

std::vector<std::string> words_of(int argc, const char* const* argv) { return {argv, argv + argc}; }

}  // namespace tool
