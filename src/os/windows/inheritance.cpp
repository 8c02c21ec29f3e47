// links/inheritance.hpp over the process's environment and its handles.
#include "links/inheritance.hpp"

#include <mutex>

#include "os/failure.hpp"
#include "os/handles.hpp"
#include "os/windows/system_headers.hpp"
#include "os/windows/text.hpp"

namespace sluice::inline v0::links {
namespace {

// Of this copy of the library. In a function: a mutex has a constructor that runs here.
std::mutex& environment_mutex() {
  static std::mutex mutex;
  return mutex;
}

// Received numbers must be handles of ours: positive, and multiples of 4; the others are pseudo-handles or none.
constexpr bool can_be_handle(Descriptor::Native number) noexcept { return number > 0 && number % 4 == 0; }

bool is_standard_stream(Descriptor::Native number) noexcept {
  for (const DWORD which : {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE}) {
    if (os::to_native(::GetStdHandle(which)) == number) return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> take_variable(const std::string& name) {
  const std::lock_guard lock(environment_mutex());
  const std::wstring wide = os::to_wide(name);
  std::wstring value;
  // As long as it grows meanwhile.
  for (DWORD size = ::GetEnvironmentVariableW(wide.c_str(), nullptr, 0); size > value.size();) {
    value.resize(size);
    size = ::GetEnvironmentVariableW(wide.c_str(), value.data(), size);
    if (size < value.size()) {
      value.resize(size);
      break;
    }
  }
  // Empty ones are none: they can't be told from an empty value without another call, and the library's are never empty.
  if (value.empty()) return std::nullopt;
  (void)::SetEnvironmentVariableW(wide.c_str(), nullptr);
  return os::to_utf8(value);
}

Result<Descriptor> duplicate_inherited(Descriptor::Native number) {
  if (!can_be_handle(number)) return Error{Errc::misuse, Step::inherit, ERROR_INVALID_HANDLE, 0, 0};
  return os::duplicate(number, Step::inherit);
}

void close_inherited(Descriptor::Native number) noexcept {
  if (can_be_handle(number)) ::CloseHandle(os::to_handle(number));
}

void keep_from_programs(Descriptor::Native number) noexcept {
  if (can_be_handle(number) && !is_standard_stream(number)) {
    (void)::SetHandleInformation(os::to_handle(number), HANDLE_FLAG_INHERIT, 0);
  }
}

// Standard streams are no numbers here: a child has those that it is told.
Result<Descriptor> beside_standard_streams(Descriptor handle) { return handle; }

}  // namespace sluice::inline v0::links
