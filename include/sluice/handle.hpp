// Handle: owns one handle of the operating system. What travels with messages, and what arrives with them.
#pragma once

#include <cstdint>
#include <utility>

#include <sluice/export.hpp>
#include <sluice/result.hpp>

namespace sluice::inline v0 {

// What a handle leads to, as far as the system says without asking anybody else. Linux: the type of statx(2) with
// AT_STATX_DONT_SYNC, and whether the file can have seals (fcntl(2), F_GET_SEALS). Windows: GetFileType, and whether it is a
// socket or a section.
enum class HandleKind : std::uint8_t {
  none,    // no handle, or none that is open
  file,    // a regular file
  memory,  // memory of the system's own: a memfd, a POSIX shared memory object; a file on tmpfs looks the same
  folder,
  pipe,  // an end of a pipe or FIFO
  socket,
  device,  // a terminal, a disk, /dev/null …
  other,   // an eventfd, an epoll descriptor, a pidfd …
};

// One handle of the operating system (Linux: a file descriptor; Windows: a HANDLE or a SOCKET), move-only: closed by the
// destructor. It is the program's own: a forked child has it, too. Threads: one at a time may use one Handle.
//
// A handle that a stranger sent may be of any kind: see kind(), before it is read from. One of a file system in user space
// makes whoever closes it wait for that file system (close(2) calls it): take handles only from whom you trust, or none at all
// with Options::max_handles.
class SLUICE_API Handle {
 public:
  using Native = std::intptr_t;  // wide enough for a file descriptor and a Windows HANDLE
  static constexpr Native kNone = -1;

  Handle() noexcept = default;
  // Takes ownership of `native`, which stays as it is (also whether a program that is executed inherits it).
  explicit Handle(Native native) noexcept : native_(native) {}
  Handle(Handle&& other) noexcept : native_(std::exchange(other.native_, kNone)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      close();
      native_ = std::exchange(other.native_, kNone);
    }
    return *this;
  }
  ~Handle() { close(); }

  // A second handle of what `borrowed` leads to (they share position and flags), close-on-exec; `borrowed` stays its owner's.
  // Linux: fcntl(2), F_DUPFD_CLOEXEC. Windows: DuplicateHandle, which is none for sockets. misuse: it isn't open.
  // limit_reached: no descriptors left.
  [[nodiscard]] static Result<Handle> duplicate(Native borrowed);
  [[nodiscard]] Result<Handle> duplicate() const { return duplicate(native_); }

  // What it leads to. Asks the system, and never waits.
  [[nodiscard]] HandleKind kind() const noexcept;

  // Borrowed: it stays this object's.
  [[nodiscard]] Native native() const noexcept { return native_; }
  [[nodiscard]] explicit operator bool() const noexcept { return native_ != kNone; }
  // Gives it away: the caller closes it.
  [[nodiscard]] Native release() noexcept { return std::exchange(native_, kNone); }
  // Closes it now.
  void close() noexcept;

 private:
  Native native_{kNone};
};

}  // namespace sluice::inline v0
