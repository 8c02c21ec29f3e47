// Where SLUICE_TRACE leads: standard error, or a file that lines are appended to. What is opened for appending alone
// (FILE_APPEND_DATA without FILE_WRITE_DATA, "File Access Rights Constants") is written at its end by each WriteFile, so whole
// lines don't mix with those of other processes.
#include <atomic>
#include <string>
#include <string_view>

#include "links/system.hpp"
#include "os/windows/system_headers.hpp"
#include "os/windows/text.hpp"

namespace sluice::inline v0::links {
namespace {

constexpr std::intptr_t kUnknown = -2;
constexpr std::intptr_t kNowhere = -1;

// The handle, once it is known (relaxed: who has its number knows all of it).
constinit std::atomic<std::intptr_t> destination{kUnknown};

void write_to(std::intptr_t to, std::string_view text) noexcept {
  DWORD written = 0;
  (void)::WriteFile(os::to_handle(to), text.data(), static_cast<DWORD>(text.size()), &written, nullptr);
}

std::intptr_t standard_error() noexcept {
  const HANDLE handle = ::GetStdHandle(STD_ERROR_HANDLE);
  return handle == nullptr ? kNowhere : os::to_native(handle);
}

std::wstring variable(const wchar_t* name) {
  std::wstring value(::GetEnvironmentVariableW(name, nullptr, 0), L'\0');
  if (!value.empty()) value.resize(::GetEnvironmentVariableW(name, value.data(), static_cast<DWORD>(value.size())));
  return value;
}

std::intptr_t open_destination() {
  const std::wstring set = variable(L"SLUICE_TRACE");
  if (set.empty()) return kNowhere;
  if (set == L"stderr") return standard_error();
  const HANDLE opened = ::CreateFileW(set.c_str(), FILE_APPEND_DATA | SYNCHRONIZE, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr,
                                      OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (opened != INVALID_HANDLE_VALUE) return os::to_native(opened);
  const std::string problem = "sluice: SLUICE_TRACE: can't open " + os::to_utf8(set) + ": error " +
                              std::to_string(os::last_error()) + "; nothing is traced\n";
  write_to(standard_error(), problem);
  return kNowhere;
}

std::intptr_t find_destination() {
  std::intptr_t known = destination.load(std::memory_order_relaxed);
  if (known != kUnknown) return known;
  const std::intptr_t opened = open_destination();
  if (destination.compare_exchange_strong(known, opened, std::memory_order_relaxed)) return opened;
  if (opened != kNowhere && opened != standard_error()) ::CloseHandle(os::to_handle(opened));  // another thread was first
  return known;
}

}  // namespace

bool is_traced() { return find_destination() != kNowhere; }

void write_trace(std::string_view line) {
  const std::intptr_t to = find_destination();
  if (to != kNowhere) write_to(to, line);
}

}  // namespace sluice::inline v0::links
