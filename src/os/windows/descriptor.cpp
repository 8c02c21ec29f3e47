// links::Descriptor over HANDLE and SOCKET. There is no fork, so nothing is registered.
#include "links/descriptor.hpp"

#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::links {

Descriptor::Descriptor(Native native) noexcept : native_(native) {}

void Descriptor::reset() noexcept {
  const Native native = std::exchange(native_, kNone);
  if (native == kNone) return;
  // A socket must be closed by closesocket, and nothing else may be ("closesocket function": providers keep state of their
  // own). It knows its own: WSAENOTSOCK for any other handle, WSANOTINITIALISED where this process has no sockets.
  if (::closesocket(static_cast<SOCKET>(native)) != 0) ::CloseHandle(os::to_handle(native));
}

Descriptor::Native Descriptor::release() noexcept { return std::exchange(native_, kNone); }

}  // namespace sluice::inline v0::links
