#include "windows/started.hpp"

#include <cstddef>
#include <iterator>

namespace tool::windows {

namespace {

// What a child may inherit, for as long as this lives: the list, and each of it inheritable.
class InheritedList {
 public:
  explicit InheritedList(std::vector<HANDLE> handles) : handles_(std::move(handles)) {
    std::erase_if(handles_, [](HANDLE one) { return one == nullptr || one == INVALID_HANDLE_VALUE; });
    std::ranges::sort(handles_);
    handles_.erase(std::unique(handles_.begin(), handles_.end()), handles_.end());
    for (const HANDLE one : handles_) {
      DWORD flags = 0;
      if (::GetHandleInformation(one, &flags) == 0 || (flags & HANDLE_FLAG_INHERIT) != 0) continue;
      if (::SetHandleInformation(one, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) != 0) changed_.push_back(one);
    }
    SIZE_T size = 0;
    (void)::InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
    room_.resize(size);
    is_made_ = ::InitializeProcThreadAttributeList(get(), 1, 0, &size) != 0;
    if (!is_made_ || handles_.empty()) return;
    (void)::UpdateProcThreadAttribute(get(), 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles_.data(),
                                      handles_.size() * sizeof(HANDLE), nullptr, nullptr);
  }
  InheritedList(const InheritedList&) = delete;
  InheritedList& operator=(const InheritedList&) = delete;
  ~InheritedList() {
    if (is_made_) ::DeleteProcThreadAttributeList(get());
    for (const HANDLE one : changed_) (void)::SetHandleInformation(one, HANDLE_FLAG_INHERIT, 0);
  }

  [[nodiscard]] LPPROC_THREAD_ATTRIBUTE_LIST get() noexcept {
    return reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(room_.data());
  }
  [[nodiscard]] bool is_empty() const noexcept { return handles_.empty(); }

 private:
  std::vector<HANDLE> handles_;
  std::vector<HANDLE> changed_;
  std::vector<std::byte> room_;
  bool is_made_{false};
};

OwnedHandle job_that_ends_with_us() {
  OwnedHandle job(::CreateJobObjectW(nullptr, nullptr));
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
  if (job) (void)::SetInformationJobObject(job.get(), JobObjectExtendedLimitInformation, &limits, sizeof limits);
  return job;
}

// Sorted by names, which don't tell small letters from capitals, as CreateProcess wants it.
std::wstring environment_with(std::span<const std::string> added) {
  std::vector<std::wstring> variables;
  if (wchar_t* const ours = ::GetEnvironmentStringsW()) {
    for (const wchar_t* one = ours; *one != L'\0'; one += variables.back().size() + 1) variables.emplace_back(one);
    ::FreeEnvironmentStringsW(ours);
  }
  std::ranges::transform(added, std::back_inserter(variables), [](const auto& one) { return to_wide(one); });
  std::ranges::stable_sort(variables, [](const auto& one, const auto& other) {
    return ::CompareStringOrdinal(one.data(), -1, other.data(), -1, TRUE) == CSTR_LESS_THAN;
  });
  std::wstring block;
  for (const auto& one : variables) block.append(one).push_back(L'\0');
  block.push_back(L'\0');
  return block;
}

}  // namespace

int start(const Start& what, Started& started) {
  STARTUPINFOEXW information{};
  auto& streams = information.StartupInfo;
  streams.cb = sizeof information;
  streams.dwFlags = STARTF_USESTDHANDLES;
  streams.hStdInput = what.input != nullptr ? what.input : ::GetStdHandle(STD_INPUT_HANDLE);
  streams.hStdOutput = what.output != nullptr ? what.output : ::GetStdHandle(STD_OUTPUT_HANDLE);
  streams.hStdError = ::GetStdHandle(STD_ERROR_HANDLE);
  std::vector<HANDLE> handles = what.inherited;
  handles.insert(handles.end(), {streams.hStdInput, streams.hStdOutput, streams.hStdError});
  InheritedList inherited{std::move(handles)};
  information.lpAttributeList = inherited.get();
  std::wstring environment = environment_with(what.environment);
  std::wstring line = what.line;
  Started made;
  made.job = job_that_ends_with_us();
  PROCESS_INFORMATION process{};
  // Suspended, so that it is in the job before it can start anything.
  if (::CreateProcessW(what.program.c_str(), line.data(), nullptr, nullptr, inherited.is_empty() ? FALSE : TRUE,
                       EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT | CREATE_SUSPENDED, environment.data(),
                       nullptr, &streams, &process) == 0) {
    return last_error();
  }
  made.process = OwnedHandle(process.hProcess);
  made.id = process.dwProcessId;
  const OwnedHandle thread(process.hThread);
  if (made.job) (void)::AssignProcessToJobObject(made.job.get(), made.process.get());
  (void)::ResumeThread(thread.get());
  started = std::move(made);
  return 0;
}

std::wstring quoted(std::wstring_view word) {
  std::wstring text{L'"'};
  std::size_t backslashes = 0;  // they count only where a quotation mark follows: then they are doubled
  for (const wchar_t letter : word) {
    if (letter == L'\\') {
      ++backslashes;
      continue;
    }
    text.append(letter == L'"' ? 2 * backslashes + 1 : backslashes, L'\\');
    backslashes = 0;
    text += letter;
  }
  return text.append(2 * backslashes, L'\\') + L'"';
}

}  // namespace tool::windows
