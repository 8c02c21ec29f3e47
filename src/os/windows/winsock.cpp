#include "os/windows/winsock.hpp"

#include "os/failure.hpp"

namespace sluice::inline v0::os {

Result<void> start_winsock() noexcept {
  static const int os_code = [] {
    WSADATA unused{};
    return ::WSAStartup(MAKEWORD(2, 2), &unused);
  }();
  if (os_code != 0) return Error{Errc::not_supported, Step::none, os_code, 0, 0};
  return {};
}

}  // namespace sluice::inline v0::os
