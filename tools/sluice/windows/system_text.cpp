// The system's words for an error code of its own (FormatMessage), without the line's end and the full stop.
#include <array>

#include "report.hpp"
#include "windows/handle.hpp"

namespace tool {

std::string system_text(int code) {
  std::array<wchar_t, 512> room{};
  const DWORD size = ::FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr,
                                      static_cast<DWORD>(code), 0, room.data(), static_cast<DWORD>(room.size()), nullptr);
  std::string text = windows::to_utf8({room.data(), size});
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == '.' || text.back() == ' '))
    text.pop_back();
  return text.empty() ? "error " + std::to_string(code) : text;
}

}  // namespace tool
