#include "windows/handle.hpp"

namespace tool::windows {

namespace {

constexpr std::size_t kAtOnce = std::size_t{1} << 20;  // bytes that one call moves: its count has 32 bits

}  // namespace

std::wstring to_wide(std::string_view text) {
  if (text.empty()) return {};
  const int size = static_cast<int>(text.size());
  std::wstring wide(static_cast<std::size_t>(::MultiByteToWideChar(CP_UTF8, 0, text.data(), size, nullptr, 0)), L'\0');
  (void)::MultiByteToWideChar(CP_UTF8, 0, text.data(), size, wide.data(), static_cast<int>(wide.size()));
  return wide;
}

std::string to_utf8(std::wstring_view text) {
  if (text.empty()) return {};
  const int size = static_cast<int>(text.size());
  std::string narrow(
      static_cast<std::size_t>(::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, nullptr, 0, nullptr, nullptr)), '\0');
  (void)::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, narrow.data(), static_cast<int>(narrow.size()), nullptr, nullptr);
  return narrow;
}

int read_some(HANDLE from, std::span<std::byte> room, std::size_t& count) noexcept {
  DWORD read = 0;
  count = 0;
  while (::ReadFile(from, room.data(), static_cast<DWORD>(std::min(room.size(), kAtOnce)), &read, nullptr) == 0) {
    const int code = last_error();
    if (code == ERROR_BROKEN_PIPE || code == ERROR_HANDLE_EOF) return 0;
    if (code != ERROR_OPERATION_ABORTED) return code;  // Ctrl-C while a console is read: this process is about to end
    ::Sleep(1);
  }
  count = read;
  return 0;
}

int write_all(HANDLE to, std::span<const std::byte> bytes) noexcept {
  while (!bytes.empty()) {
    DWORD written = 0;
    if (::WriteFile(to, bytes.data(), static_cast<DWORD>(std::min(bytes.size(), kAtOnce)), &written, nullptr) == 0) {
      return last_error();
    }
    bytes = bytes.subspan(written);
  }
  return 0;
}

}  // namespace tool::windows
