// sluice::Handle over HANDLE.
#include <sluice/handle.hpp>

#include "os/failure.hpp"
#include "os/windows/system_headers.hpp"

namespace sluice::inline v0 {
namespace {

HandleKind kind_of_disk_file(HANDLE handle) noexcept {
  BY_HANDLE_FILE_INFORMATION information{};
  if (::GetFileInformationByHandle(handle, &information) == 0) return HandleKind::other;
  const bool is_folder = (information.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  return is_folder ? HandleKind::folder : HandleKind::file;
}

// Sockets are files of type pipe to the system. Winsock knows its own, and asks nobody else.
bool is_socket(HANDLE handle) noexcept {
  int type = 0;
  int size = sizeof type;
  return ::getsockopt(reinterpret_cast<SOCKET>(handle), SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type), &size) == 0;
}

// A section is no file. Whether it is one shows itself by a view of its first page, the smallest there is.
bool is_memory(HANDLE handle) noexcept {
  void* const view = ::MapViewOfFile(handle, FILE_MAP_READ, 0, 0, 1);
  if (view == nullptr) return false;
  ::UnmapViewOfFile(view);
  return true;
}

}  // namespace

Result<Handle> Handle::duplicate(Native borrowed) {
  HANDLE second = nullptr;
  const HANDLE here = ::GetCurrentProcess();
  // Pseudo-handles (-1: this process …) are negative, and would be duplicated into real ones ("GetCurrentProcess function").
  if (borrowed <= 0) return Error{Errc::misuse, Step::attach, ERROR_INVALID_HANDLE, 0, 0};
  if (::DuplicateHandle(here, os::to_handle(borrowed), here, &second, 0, FALSE, DUPLICATE_SAME_ACCESS) == 0) {
    return os::failure(os::last_error(), Step::attach);
  }
  return Handle{os::to_native(second)};
}

HandleKind Handle::kind() const noexcept {
  if (native_ <= 0) return HandleKind::none;
  const HANDLE handle = os::to_handle(native_);
  DWORD flags = 0;
  if (::GetHandleInformation(handle, &flags) == 0) return HandleKind::none;
  switch (::GetFileType(handle)) {
    case FILE_TYPE_DISK:
      return kind_of_disk_file(handle);
    case FILE_TYPE_CHAR:
      return HandleKind::device;
    case FILE_TYPE_PIPE:
      return is_socket(handle) ? HandleKind::socket : HandleKind::pipe;
    default:
      return is_memory(handle) ? HandleKind::memory : HandleKind::other;  // events, processes … have no type
  }
}

void Handle::close() noexcept {
  const Native native = std::exchange(native_, kNone);
  if (native == kNone) return;
  // As in links::Descriptor::reset().
  if (::closesocket(static_cast<SOCKET>(native)) != 0) ::CloseHandle(os::to_handle(native));
}

}  // namespace sluice::inline v0
