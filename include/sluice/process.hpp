// Starting a process that has the other end of a channel: spawn(), inherited(), and child_end() for those who start it
// themselves.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/deadline.hpp>
#include <sluice/export.hpp>
#include <sluice/handle.hpp>
#include <sluice/options.hpp>
#include <sluice/result.hpp>
#include <sluice/waitable.hpp>

namespace sluice::inline v0 {

namespace core {
struct StartedProcess;
}

// How a process ended.
struct Exit {
  int status{0};              // what it returned; where a signal ended it, 128 + its number, as shells say
  std::optional<int> signal;  // which one ended it, where one did
};

// A process that spawn() started. Who reaps it: this object, in wait() or in its destructor; a program that reaps all its
// children itself (waitpid(-1)), or ignores SIGCHLD, takes that from it, and wait() then answers not_found. The destructor
// neither waits nor kills: a process that still runs goes on, and is reaped when it has ended and another Process is made or
// waited for, or by init after this one. Linux: pidfd_open(2), so that a signal never reaches another process that came to have
// the same number.
//
// Threads: wait(), kill() and waitable() from any thread; moving and destroying must not overlap them.
class [[nodiscard]] SLUICE_API Process final {
 public:
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  // The system's number for it: for people and logs. Never an identity: another process may have it once this one was reaped.
  [[nodiscard]] std::int64_t id() const noexcept;
  // Waits until it has ended. A second call says the same again. Errors: timed_out, would_block; not_found; misuse (moved
  // from, a forked child); limit_reached (waiting takes two descriptors, on Linux); out_of_memory.
  Result<Exit> wait(Deadline deadline = Deadline::never());
  // Ends it without asking it (SIGKILL). Succeeds for one that has ended. Errors: access_denied (it has become another user's);
  // misuse (moved from, a forked child).
  Result<void> kill();
  // Becomes readable when it has ended: for an event loop, and for WaitSet::add().
  [[nodiscard]] Waitable waitable() const noexcept;

 private:
  friend struct core::ApiAccess;
  SLUICE_LOCAL explicit Process(std::unique_ptr<core::StartedProcess> started) noexcept;
  std::unique_ptr<core::StartedProcess> started_;
};

struct Child {
  Channel channel;
  Process process;
};

// Starts a program with the other end of a channel, which it finds with inherited(). `endpoint`: a mechanism that can be
// inherited, and its options ("pipe:", "unix:", "local:"). argv[0] is the program: a path, or a name that is looked for in
// PATH; no shell reads it. The child has our environment and standard streams, and inherits nothing else of Sluice's. Waits
// until the program runs and has claimed its end; with a foreign framing ("pipe:?framing=line") only until it runs, for nobody
// says that it has claimed anything: it may be any program that reads the variable's numbers, or a Sluice one, whose
// inherited() finds the framing there, too. Errors: as connect(); not_found: there is no such program (Error::os_code tells);
// peer_died: it ended before it had claimed its end (it doesn't use Sluice, or failed); then, and after every other error, it
// has been killed and reaped. One that can't be killed, for it has become another user's, goes on, and is reaped as Process
// says. invalid_endpoint, as child_end(): there is no place behind the colon, for the two ends are made together.
SLUICE_API Result<Child> spawn(std::string_view endpoint, std::span<const std::string> argv,
                               Deadline deadline = Deadline::never(), const Options& options = {});

// In the child: its end of the channel, once. It takes the end out of the environment, so that a child of its own doesn't find
// it. `name`: which one, where the parent handed over several (Launch); the empty one is spawn()'s. Call it before other
// threads read the environment (getenv(3)). Errors: as connect(); not_found: nothing of that name was inherited, or it was
// claimed before; protocol_error: what the environment says makes no sense. Where it can't be claimed, the handles that the
// environment names stay open, for they may be the program's own, and become close-on-exec.
SLUICE_API Result<Channel> inherited(std::string_view name = {}, Deadline deadline = Deadline::never(),
                                     const Options& options = {});

// What a launcher of one's own has to do (or whoever sends the handles to another process, which adopts them): let the child
// inherit these handles, under the same numbers (Linux: clear FD_CLOEXEC in the child, between fork and exec), and set these
// variables ("NAME=VALUE"). Close them here once the child runs.
struct Launch {
  std::vector<Handle> handles;
  std::vector<std::string> environment;
};
struct ChildEnd {
  Channel channel;  // connects as connect_later() does: once the child has claimed its end
  Launch launch;
};
// `name`: at most 64 letters, digits and _; what the child calls inherited() with. The handles block, as programs expect that
// know nothing of Sluice: with a foreign framing those can be given them.
SLUICE_API Result<ChildEnd> child_end(std::string_view endpoint, std::string_view name = {}, const Options& options = {});

}  // namespace sluice::inline v0
