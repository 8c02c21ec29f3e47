// The standard streams on Windows: bytes as they are, and UTF-8 on a console.
#include "standard_streams.hpp"

#include <fcntl.h>
#include <io.h>

#include <array>
#include <cstdlib>

#include "windows/handle.hpp"

namespace tool {

namespace {

// The code pages that the console had, which whoever else uses it finds again.
UINT input_page = 0;
UINT output_page = 0;

extern "C" void restore_console() {
  if (input_page != 0) ::SetConsoleCP(input_page);
  if (output_page != 0) ::SetConsoleOutputCP(output_page);
}

void speak_utf8() noexcept {
  const UINT input = ::GetConsoleCP();
  const UINT output = ::GetConsoleOutputCP();
  if (input == CP_UTF8 && output == CP_UTF8) return;
  if (input != 0 && ::SetConsoleCP(CP_UTF8) != 0) input_page = input;
  if (output != 0 && ::SetConsoleOutputCP(CP_UTF8) != 0) output_page = output;
  (void)std::atexit(restore_console);
}

}  // namespace

// A stream that is closed is no number that something else could get here. But what is printed must not be changed: no
// carriage returns ("_setmode").
void occupy_standard_streams() noexcept {
  for (std::FILE* const stream : {stdin, stdout, stderr}) {
    const int number = ::_fileno(stream);
    if (number >= 0) (void)::_setmode(number, _O_BINARY);
  }
  // There is no buffering by lines, and in full it would keep back what people wait for.
  (void)std::setvbuf(stderr, nullptr, _IONBF, 0);
  speak_utf8();
}

bool standard_error_is_terminal() noexcept {
  DWORD mode = 0;
  return ::GetConsoleMode(::GetStdHandle(STD_ERROR_HANDLE), &mode) != 0;
}

}  // namespace tool
