// Wine's ntdll has one function that no Windows has ("wine_get_version", Wine's developer FAQ).
#include "os/windows/wine.hpp"

#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::os {

bool is_wine() noexcept {
  static const bool answer = [] {
    const HMODULE ntdll = ::GetModuleHandleW(L"ntdll.dll");
    return ntdll != nullptr && ::GetProcAddress(ntdll, "wine_get_version") != nullptr;
  }();
  return answer;
}

}  // namespace sluice::inline v0::os
