// main() is given the words in the code page of the system; GetCommandLine has them all.
#include "words.hpp"

#include "windows/handle.hpp"

// clang-format off: needs windows.h before it
#include <shellapi.h>
// clang-format on

namespace tool {

std::vector<std::string> words_of(int argc, const char* const* argv) {
  int count = 0;
  wchar_t** const words = ::CommandLineToArgvW(::GetCommandLineW(), &count);
  if (words == nullptr) return {argv, argv + argc};
  std::vector<std::string> result;
  for (int i = 0; i < count; ++i) result.push_back(windows::to_utf8(words[i]));
  ::LocalFree(static_cast<void*>(words));
  return result;
}

}  // namespace tool
