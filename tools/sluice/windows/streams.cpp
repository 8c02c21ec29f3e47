// Standard streams and started programs on Windows. Neither consoles nor pipes tell an event loop that they have something, or
// take something: each has a thread that waits in its place, with room for some bytes, and an event.
#include "streams.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "report.hpp"
#include "windows/started.hpp"

namespace tool {

namespace {

using windows::OwnedHandle;

constexpr std::size_t kRoom = std::size_t{64} << 10;  // of each stream: what a pipe of other systems holds

sluice::Waitable waitable_of(const OwnedHandle& event) noexcept { return {reinterpret_cast<std::intptr_t>(event.get())}; }

// What a stream and its thread share. The thread may be in a call that nothing ends, so it is waited for by nobody.
struct Shared {
  explicit Shared(bool is_set) : event(::CreateEventW(nullptr, TRUE, is_set ? TRUE : FALSE, nullptr)) {}

  OwnedHandle owned;  // none for standard streams
  HANDLE handle{};
  OwnedHandle event;  // set while the loop has something to do

  std::mutex mutex;  // everything below
  std::condition_variable changed;
  std::array<std::byte, kRoom> bytes{};
  std::size_t begin{0};
  std::size_t end{0};
  bool is_over{false};  // in: the end was read; out: nothing more will come
  int code{0};
};

void read_on(const std::shared_ptr<Shared>& shared) {
  std::array<std::byte, kRoom> room;
  while (true) {
    std::size_t count = 0;
    const int code = windows::read_some(shared->handle, room, count);
    std::unique_lock lock(shared->mutex);
    shared->changed.wait(lock, [&] { return shared->begin == shared->end; });
    std::memcpy(shared->bytes.data(), room.data(), count);
    shared->begin = 0;
    shared->end = count;
    shared->code = code;
    shared->is_over = code != 0 || count == 0;
    (void)::SetEvent(shared->event.get());
    shared->changed.notify_all();
    if (shared->is_over) return;
  }
}

class ThreadedIn final : public InStream {
 public:
  ThreadedIn(OwnedHandle owned, HANDLE handle) : shared_(std::make_shared<Shared>(false)) {
    shared_->owned = std::move(owned);
    shared_->handle = handle;
    std::thread([shared = shared_] { read_on(shared); }).detach();
  }

  [[nodiscard]] sluice::Waitable waitable() const noexcept override { return waitable_of(shared_->event); }
  [[nodiscard]] std::expected<std::size_t, std::string> read(std::span<std::byte> room) override {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait(lock, [&] { return shared_->is_over || shared_->begin != shared_->end; });
    const std::size_t count = std::min(room.size(), shared_->end - shared_->begin);
    if (count == 0 && shared_->code != 0) return std::unexpected(system_text(shared_->code));
    std::memcpy(room.data(), shared_->bytes.data() + shared_->begin, count);
    shared_->begin += count;
    if (shared_->begin == shared_->end && !shared_->is_over) {
      (void)::ResetEvent(shared_->event.get());
      shared_->changed.notify_all();
    }
    return count;
  }

 private:
  std::shared_ptr<Shared> shared_;
};

void write_on(const std::shared_ptr<Shared>& shared) {
  std::array<std::byte, kRoom> room;
  while (true) {
    std::size_t count = 0;
    {
      std::unique_lock lock(shared->mutex);
      shared->changed.wait(lock, [&] { return shared->is_over || shared->begin != shared->end; });
      count = shared->end - shared->begin;
      if (count == 0) break;
      std::memcpy(room.data(), shared->bytes.data() + shared->begin, count);
    }
    const int code = windows::write_all(shared->handle, std::span{room}.first(count));
    const std::lock_guard lock(shared->mutex);
    shared->begin = shared->end = 0;
    shared->code = code;
    (void)::SetEvent(shared->event.get());
    if (code != 0) break;
  }
  const std::lock_guard lock(shared->mutex);
  shared->owned.close();  // the end of what the program reads
}

class ThreadedOut final : public OutStream {
 public:
  explicit ThreadedOut(OwnedHandle owned) : shared_(std::make_shared<Shared>(true)) {
    shared_->handle = owned.get();
    shared_->owned = std::move(owned);
    std::thread([shared = shared_] { write_on(shared); }).detach();
  }
  ~ThreadedOut() override {
    const std::lock_guard lock(shared_->mutex);
    shared_->is_over = true;
    shared_->changed.notify_all();
  }

  [[nodiscard]] sluice::Waitable waitable() const noexcept override { return waitable_of(shared_->event); }
  [[nodiscard]] std::expected<std::size_t, std::string> write(std::span<const std::byte> bytes) override {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->code != 0) return std::unexpected(system_text(shared_->code));
    if (shared_->begin != shared_->end) return std::size_t{0};
    const std::size_t count = std::min(bytes.size(), kRoom);
    if (count == 0) return count;
    std::memcpy(shared_->bytes.data(), bytes.data(), count);
    shared_->end = count;
    (void)::ResetEvent(shared_->event.get());
    shared_->changed.notify_all();
    return count;
  }

 private:
  std::shared_ptr<Shared> shared_;
};

class StandardOutput final : public OutStream {
 public:
  [[nodiscard]] sluice::Waitable waitable() const noexcept override { return {}; }
  [[nodiscard]] std::expected<std::size_t, std::string> write(std::span<const std::byte> bytes) override {
    if (const int code = windows::write_all(::GetStdHandle(STD_OUTPUT_HANDLE), bytes))
      return std::unexpected(system_text(code));
    return bytes.size();
  }
};

class ShellProgram final : public Program {
 public:
  explicit ShellProgram(windows::Started started) noexcept : started_(std::move(started)) {}
  ~ShellProgram() override {
    input.reset();
    output.reset();
    (void)ShellProgram::wait();
  }

  // There is no asking: what the program has started ends with it.
  void terminate() noexcept override {
    if (started_.job) (void)::TerminateJobObject(started_.job.get(), 1);
  }
  [[nodiscard]] bool has_ended() override { return ::WaitForSingleObject(started_.process.get(), 0) == WAIT_OBJECT_0; }
  [[nodiscard]] std::string wait() override {
    (void)::WaitForSingleObject(started_.process.get(), INFINITE);
    DWORD status = 0;
    (void)::GetExitCodeProcess(started_.process.get(), &status);
    return status == 0 ? std::string() : fmt::format("exited with status {}", status);
  }

 private:
  windows::Started started_;
};

struct Pipe {
  OwnedHandle reading;
  OwnedHandle writing;
};

std::expected<Pipe, std::string> make_pipe() {
  HANDLE reading = nullptr;
  HANDLE writing = nullptr;
  if (::CreatePipe(&reading, &writing, nullptr, kRoom) == 0) return std::unexpected(system_text(windows::last_error()));
  return Pipe{OwnedHandle(reading), OwnedHandle(writing)};
}

std::wstring shell() {
  std::array<wchar_t, MAX_PATH> folder{};
  const UINT size = ::GetSystemDirectoryW(folder.data(), static_cast<UINT>(folder.size()));
  return std::wstring(folder.data(), size) + L"\\cmd.exe";
}

}  // namespace

std::unique_ptr<InStream> standard_input() {
  return std::make_unique<ThreadedIn>(OwnedHandle(), ::GetStdHandle(STD_INPUT_HANDLE));
}

std::unique_ptr<OutStream> standard_output() { return std::make_unique<StandardOutput>(); }

std::expected<std::unique_ptr<Program>, std::string> start_program(const std::string& command) {
  auto to = make_pipe();
  if (!to) return std::unexpected(to.error());
  auto from = make_pipe();
  if (!from) return std::unexpected(from.error());
  windows::Start start;
  start.program = shell();
  start.line = L"cmd.exe /d /s /c \"" + windows::to_wide(command) + L'"';  // /s: all between the outer quotation marks
  start.input = to->reading.get();
  start.output = from->writing.get();
  windows::Started started;
  if (const int code = windows::start(start, started)) return std::unexpected(system_text(code));
  auto program = std::make_unique<ShellProgram>(std::move(started));
  program->input = std::make_unique<ThreadedOut>(std::move(to->writing));
  const HANDLE reading = from->reading.get();
  program->output = std::make_unique<ThreadedIn>(std::move(from->reading), reading);
  return program;
}

}  // namespace tool
