// HANDLEs that own, text for the system, and reading and writing in full: what the Windows files of the tool share.
#pragma once

// clang-format off: the order matters
#include <winsock2.h>
#include <windows.h>
// clang-format on

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace tool::windows {

class OwnedHandle {
 public:
  OwnedHandle() noexcept = default;
  explicit OwnedHandle(HANDLE handle) noexcept : handle_(handle == INVALID_HANDLE_VALUE ? nullptr : handle) {}
  OwnedHandle(OwnedHandle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  OwnedHandle& operator=(OwnedHandle&& other) noexcept {
    if (this != &other) {
      close();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~OwnedHandle() { close(); }

  [[nodiscard]] explicit operator bool() const noexcept { return handle_ != nullptr; }
  [[nodiscard]] HANDLE get() const noexcept { return handle_; }
  void close() noexcept {
    if (handle_ != nullptr) ::CloseHandle(std::exchange(handle_, nullptr));
  }

 private:
  HANDLE handle_{nullptr};
};

[[nodiscard]] inline int last_error() noexcept { return static_cast<int>(::GetLastError()); }

// UTF-8 and UTF-16.
[[nodiscard]] std::wstring to_wide(std::string_view text);
[[nodiscard]] std::string to_utf8(std::wstring_view text);

// Reads what is there, waiting for the first byte: 0 and `count`, or the system's code. No byte is the end, also of a pipe that
// nobody writes any more (ERROR_BROKEN_PIPE).
[[nodiscard]] int read_some(HANDLE from, std::span<std::byte> room, std::size_t& count) noexcept;
// 0, or the system's code of the write that failed.
[[nodiscard]] int write_all(HANDLE to, std::span<const std::byte> bytes) noexcept;

}  // namespace tool::windows
