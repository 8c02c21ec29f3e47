// Processes on Windows.
#include "processes.hpp"

#include <cstdlib>
#include <filesystem>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "windows/started.hpp"

namespace tool {

namespace {

constexpr UINT kKilled = 137;   // as shells say of SIGKILL elsewhere
constexpr UINT kTooLate = 142;  // … and of SIGALRM

class StartedProcess final : public ChildProcess {
 public:
  explicit StartedProcess(windows::Started started) noexcept : started_(std::move(started)) {}
  ~StartedProcess() override {
    StartedProcess::kill();
    (void)StartedProcess::wait();
  }

  [[nodiscard]] std::int64_t id() const noexcept override { return started_.id; }
  void kill() noexcept override { (void)::TerminateProcess(started_.process.get(), kKilled); }
  [[nodiscard]] int wait() noexcept override {
    (void)::WaitForSingleObject(started_.process.get(), INFINITE);
    DWORD status = 0;
    return ::GetExitCodeProcess(started_.process.get(), &status) != 0 ? static_cast<int>(status) : -1;
  }

 private:
  windows::Started started_;
};

std::wstring own_path() {
  std::wstring path(512, L'\0');
  while (true) {
    const DWORD size = ::GetModuleFileNameW(nullptr, path.data(), static_cast<DWORD>(path.size()));
    if (size < path.size()) {
      path.resize(size);
      return path;
    }
    path.resize(2 * path.size());
  }
}

}  // namespace

std::expected<std::unique_ptr<ChildProcess>, int> start_self(const std::vector<std::string>& arguments,
                                                             std::span<const sluice::Handle> handles,
                                                             const std::vector<std::string>& environment) {
  windows::Start start;
  start.program = own_path();
  start.line = L"sluice";
  for (const std::string& word : arguments) start.line += L' ' + windows::quoted(windows::to_wide(word));
  for (const sluice::Handle& handle : handles) start.inherited.push_back(reinterpret_cast<HANDLE>(handle.native()));
  start.environment = environment;
  windows::Started started;
  if (const int code = windows::start(start, started)) return std::unexpected(code);
  return std::make_unique<StartedProcess>(std::move(started));
}

std::int64_t own_process_id() noexcept { return ::GetCurrentProcessId(); }

void end_process_after(double seconds) noexcept {
  const auto milliseconds = static_cast<DWORD>(seconds * 1000) + 1000;
  HANDLE timer = nullptr;
  const auto end = [](void*, BOOLEAN) { ::TerminateProcess(::GetCurrentProcess(), kTooLate); };
  (void)::CreateTimerQueueTimer(&timer, nullptr, end, nullptr, milliseconds, 0, WT_EXECUTEONLYONCE);
}

// The system counts them for each thread, and tells them to nobody but debuggers.
ContextSwitches context_switches() noexcept { return {}; }

// Of this process's group, which has up to 64.
std::vector<int> usable_processors() {
  DWORD_PTR ours = 0;
  DWORD_PTR all = 0;
  std::vector<int> processors;
  if (::GetProcessAffinityMask(::GetCurrentProcess(), &ours, &all) == 0) return processors;
  for (int processor = 0; ours != 0; ours >>= 1, ++processor)
    if ((ours & 1) != 0) processors.push_back(processor);
  return processors;
}

bool stay_on(int processor) noexcept {
  constexpr int kMost = 8 * sizeof(DWORD_PTR);
  if (processor < 0 || processor >= kMost) return false;
  return ::SetThreadAffinityMask(::GetCurrentThread(), DWORD_PTR{1} << processor) != 0;
}

ScratchFolder::ScratchFolder() {
  std::error_code problem;
  const auto parent = std::filesystem::temp_directory_path(problem);
  std::random_device random;
  const auto path = parent / ("sluice-bench-" + std::to_string(random()) + std::to_string(random()));
  if (!problem && std::filesystem::create_directory(path, problem)) path_ = path.string();
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace tool
