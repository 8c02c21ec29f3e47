// Processes and processors, as the tool needs them: a second process of itself, and where both of them run.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <sluice/handle.hpp>

namespace tool {

// A process that was started. Killed and reaped by the destructor, if it still runs.
class ChildProcess {
 public:
  virtual ~ChildProcess() = default;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] virtual std::int64_t id() const noexcept = 0;
  // Ends it without a word, and doesn't wait for that.
  virtual void kill() noexcept = 0;
  // Waits for its end: its exit status, 128 + the number of the signal that ended it.
  [[nodiscard]] virtual int wait() noexcept = 0;

 protected:
  ChildProcess() = default;
};

// Starts this very program with these arguments. It inherits the standard streams and these handles, under the same numbers,
// and finds these variables ("NAME=VALUE") in its environment. Fails with the system's code.
[[nodiscard]] std::expected<std::unique_ptr<ChildProcess>, int> start_self(const std::vector<std::string>& arguments,
                                                                           std::span<const sluice::Handle> handles,
                                                                           const std::vector<std::string>& environment);

[[nodiscard]] std::int64_t own_process_id() noexcept;
// Ends this process, as by a signal, when so much time has passed (alarm(2)).
void end_process_after(double seconds) noexcept;

// How often this process left its processor: because it waited, and because another had its turn (getrusage(2)).
struct ContextSwitches {
  std::int64_t voluntary{0};
  std::int64_t involuntary{0};
};
[[nodiscard]] ContextSwitches context_switches() noexcept;

// The processors that this process may use, in ascending order; empty where the system doesn't tell.
[[nodiscard]] std::vector<int> usable_processors();
// Keeps the calling thread on that processor from now on; false where that can't be had.
[[nodiscard]] bool stay_on(int processor) noexcept;

// A new, empty folder of our own, removed with what is in it by the destructor. Empty path: there is none.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

}  // namespace tool
