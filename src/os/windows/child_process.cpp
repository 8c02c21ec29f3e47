// links::ChildProcess over CreateProcess. The child inherits the standard streams and the handles that it is given, and no
// other ("UpdateProcThreadAttribute", PROC_THREAD_ATTRIBUTE_HANDLE_LIST), under the same numbers, for that is how Windows does.
#include "links/child_process.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <mutex>
#include <vector>

#include "os/failure.hpp"
#include "os/handles.hpp"
#include "os/process_tether.hpp"
#include "os/windows/command_line.hpp"
#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::links {
namespace {

constexpr UINT kKilled = 137;  // the exit status of what kill() has ended: what shells say of SIGKILL elsewhere

// What a handle must be while it is in a child's list. One child at a time of this library's: a program that starts others by
// its own means, without a list, could pass them on in that moment.
class Inheritable {
 public:
  explicit Inheritable(std::span<const Descriptor> handles) {
    for (const auto& handle : handles) add(os::to_handle(handle));
  }
  Inheritable(const Inheritable&) = delete;
  Inheritable& operator=(const Inheritable&) = delete;
  ~Inheritable() {
    for (const HANDLE handle : changed_) (void)::SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0);
  }

  // False: it is none, or can't be inherited.
  bool add(HANDLE handle) {
    DWORD flags = 0;
    if (handle == nullptr || handle == INVALID_HANDLE_VALUE || ::GetHandleInformation(handle, &flags) == 0) return false;
    if (std::ranges::find(all_, handle) != all_.end()) return true;  // once: the list may not name it twice
    if ((flags & HANDLE_FLAG_INHERIT) == 0) {
      if (::SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) == 0) return false;
      changed_.push_back(handle);
    }
    all_.push_back(handle);
    return true;
  }
  [[nodiscard]] std::vector<HANDLE>& all() noexcept { return all_; }

 private:
  std::vector<HANDLE> all_;
  std::vector<HANDLE> changed_;
};

// RAII over the list of attributes, with room for one.
class Attributes {
 public:
  explicit Attributes(std::vector<HANDLE>& handles) {
    SIZE_T size = 0;
    (void)::InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
    room_.resize(size);
    is_made_ = ::InitializeProcThreadAttributeList(get(), 1, 0, &size) != 0;
    is_filled_ =
        is_made_ && (handles.empty() || ::UpdateProcThreadAttribute(get(), 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles.data(),
                                                                    handles.size() * sizeof(HANDLE), nullptr, nullptr) != 0);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() {
    if (is_made_) ::DeleteProcThreadAttributeList(get());
  }

  [[nodiscard]] explicit operator bool() const noexcept { return is_filled_; }
  [[nodiscard]] LPPROC_THREAD_ATTRIBUTE_LIST get() noexcept {
    return reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(room_.data());
  }

 private:
  std::vector<std::byte> room_;
  bool is_made_{false};
  bool is_filled_{false};
};

std::mutex& start_mutex() {
  static std::mutex mutex;
  return mutex;
}

Error spawn_failure(int os_code) noexcept {
  Error error = os::failure(os_code, Step::spawn);
  if (os_code == ERROR_BAD_EXE_FORMAT || os_code == ERROR_EXE_MACHINE_TYPE_MISMATCH) error.code = Errc::not_supported;
  return error;
}

// Our standard streams, as far as there are some: a child that may inherit only what is listed has no others.
bool hand_over_standard_streams(STARTUPINFOW& start, Inheritable& handles) {
  const auto take = [&](DWORD which) {
    const HANDLE handle = ::GetStdHandle(which);
    return handles.add(handle) ? handle : nullptr;
  };
  start.hStdInput = take(STD_INPUT_HANDLE);
  start.hStdOutput = take(STD_OUTPUT_HANDLE);
  start.hStdError = take(STD_ERROR_HANDLE);
  start.dwFlags |= STARTF_USESTDHANDLES;
  return !handles.all().empty();
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const Start& start) {
  if (start.argv.empty()) return Error{Errc::misuse, Step::spawn, 0, 0, 0};
  const std::wstring program = os::find_program(start.argv[0]);
  if (program.empty()) return Error{Errc::not_found, Step::spawn, ERROR_FILE_NOT_FOUND, 0, 0};
  std::wstring line = os::command_line_of(start.argv);
  std::wstring environment = os::environment_with(start.left_out, start.environment);

  const std::lock_guard lock(start_mutex());
  Inheritable handles{start.handles};
  STARTUPINFOEXW information{};
  information.StartupInfo.cb = sizeof information;
  const bool inherits = hand_over_standard_streams(information.StartupInfo, handles);
  Attributes attributes{handles.all()};
  if (!attributes) return spawn_failure(os::last_error());
  information.lpAttributeList = attributes.get();
  PROCESS_INFORMATION started{};
  if (::CreateProcessW(program.c_str(), line.data(), nullptr, nullptr, inherits ? TRUE : FALSE,
                       EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT, environment.data(), nullptr,
                       &information.StartupInfo, &started) == 0) {
    return spawn_failure(os::last_error());
  }
  ::CloseHandle(started.hThread);
  return ChildProcess{os::own(started.hProcess), started.dwProcessId};
}

Result<Exit> ChildProcess::reap() const noexcept {
  if (!os::is_signalled(os::to_handle(process_))) return Error{Errc::would_block, Step::wait, 0, 0, 0};
  DWORD status = 0;
  if (::GetExitCodeProcess(os::to_handle(process_), &status) == 0) return os::failure(os::last_error(), Step::wait);
  return Exit{static_cast<int>(status), {}};
}

Result<void> ChildProcess::kill() const noexcept {
  if (::TerminateProcess(os::to_handle(process_), kKilled) != 0) return {};
  const int os_code = os::last_error();
  if (os::is_signalled(os::to_handle(process_))) return {};  // it has ended already, and is told as ERROR_ACCESS_DENIED
  return os::failure(os_code, Step::spawn);
}

void ChildProcess::wait_and_reap() const noexcept { ::WaitForSingleObject(os::to_handle(process_), INFINITE); }

Result<std::unique_ptr<Tether>> ChildProcess::tether() const {
  auto second = os::duplicate(process_.native(), Step::spawn);
  if (!second) return second.error();
  return os::tether_to_process(*std::move(second));
}

}  // namespace sluice::inline v0::links
