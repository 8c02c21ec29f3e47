// The system's headers, in the one order that works (winsock2.h before windows.h), and the casts between what they call HANDLE
// or SOCKET and what the library calls Descriptor::Native.
#pragma once

// clang-format off: the order matters
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
// clang-format on

#include <cstdint>

#include <sluice/waitable.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::os {

[[nodiscard]] inline HANDLE to_handle(std::intptr_t native) noexcept { return reinterpret_cast<HANDLE>(native); }
[[nodiscard]] inline HANDLE to_handle(const links::Descriptor& descriptor) noexcept { return to_handle(descriptor.native()); }
[[nodiscard]] inline SOCKET to_socket(const links::Descriptor& descriptor) noexcept {
  return static_cast<SOCKET>(descriptor.native());
}
[[nodiscard]] inline links::Descriptor::Native to_native(HANDLE handle) noexcept {
  return reinterpret_cast<links::Descriptor::Native>(handle);
}

// Takes ownership of what a call has returned. Some calls say null where they fail, others INVALID_HANDLE_VALUE, which is
// Descriptor::kNone.
[[nodiscard]] inline links::Descriptor own(HANDLE handle) noexcept {
  return handle == nullptr ? links::Descriptor{} : links::Descriptor{to_native(handle)};
}
[[nodiscard]] inline links::Descriptor own_socket(SOCKET socket) noexcept {
  return socket == INVALID_SOCKET ? links::Descriptor{} : links::Descriptor{static_cast<links::Descriptor::Native>(socket)};
}

[[nodiscard]] inline int last_error() noexcept { return static_cast<int>(::GetLastError()); }

[[nodiscard]] inline bool is_signalled(HANDLE handle) noexcept { return ::WaitForSingleObject(handle, 0) == WAIT_OBJECT_0; }

}  // namespace sluice::inline v0::os
