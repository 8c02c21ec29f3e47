// Pipes: pipe2(2), readv(2), and writes that raise no SIGPIPE. Linux 6.18 has a flag for that (RWF_NOSIGNAL of pwritev2(2));
// elsewhere the signal is blocked in this thread around the write, and taken back.
#include "os/pipe_stream.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <ctime>
#include <limits>
#include <string>

#include "os/failure.hpp"
#include "os/handles.hpp"
#include "os/socket_calls.hpp"
#include "os/system_file.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr int kNoSignal = 0x100;  // RWF_NOSIGNAL, linux/fs.h; Debian 12's headers are older

// Whether this kernel knows kNoSignal. relaxed: a hint, at worst a system call more.
constinit std::atomic<bool> has_no_signal{true};

int number(const links::Descriptor& descriptor) noexcept { return static_cast<int>(descriptor.native()); }

bool is_end(const links::Descriptor& handle, int mode) noexcept {
  struct stat status{};
  const int flags = ::fcntl(number(handle), F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) == mode && ::fstat(number(handle), &status) == 0 && S_ISFIFO(status.st_mode);
}

// Unasked, room for a record of 64 KiB with its header and some more, where the user's limits allow it: a pipe has 64 KiB of
// its own (pipe(7)), and a message of that size would wait for its receiver twice.
Result<void> give_capacity(const links::Descriptor& pipe, std::size_t capacity) {
  constexpr int kDefault = 256 << 10;
  if (capacity == 0) {
    (void)::fcntl(number(pipe), F_SETPIPE_SZ, kDefault);
    return {};
  }
  const int wish = static_cast<int>(std::min<std::size_t>(capacity, INT_MAX));
  if (capacity <= INT_MAX && ::fcntl(number(pipe), F_SETPIPE_SZ, wish) >= 0) return {};
  // fcntl(2), "Changing the capacity of a pipe": EPERM above pipe-max-size.
  const auto most = read_number("/proc/sys/fs/pipe-max-size").value_or(0);
  return Error{Errc::limit_reached, Step::make_pipes, errno, static_cast<std::int64_t>(capacity),
               static_cast<std::int64_t>(most)};
}

}  // namespace

Result<Pipe> make_pipe(std::size_t capacity) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failure(errno, Step::make_pipes);
  Pipe pipe{links::Descriptor{ends[0]}, links::Descriptor{ends[1]}};
  if (auto given = give_capacity(pipe.writing, capacity); !given) return given.error();
  return pipe;
}

bool is_reading_end(const links::Descriptor& handle) noexcept { return is_end(handle, O_RDONLY); }
bool is_writing_end(const links::Descriptor& handle) noexcept { return is_end(handle, O_WRONLY); }

Result<links::Descriptor> with_modes_of_its_own(links::Descriptor end) {
  const std::string path = "/proc/self/fd/" + std::to_string(number(end));  // opens what it stands for anew (proc(5))
  const int mode = ::fcntl(number(end), F_GETFL) & O_ACCMODE;
  links::Descriptor own{::open(path.c_str(), mode | O_NONBLOCK | O_CLOEXEC)};
  // The reading end of a FIFO that was opened when nobody wrote takes no note of that (fifo(7); linux/fs/pipe.c, fifo_open):
  // the one that was handed over may.
  pollfd seen{.fd = number(end), .events = 0, .revents = 0};
  if (own && ::poll(&seen, 1, 0) == 0) return own;
  if (!set_nonblocking(end) || !set_close_on_exec(end)) return Error{Errc::misuse, Step::adopt, 0, 0, 0};
  return end;
}

std::ptrdiff_t write_and_take_signal_back(int pipe, const iovec* parts, int count) noexcept {
  sigset_t only;
  sigset_t pending;
  sigset_t before;
  sigemptyset(&only);
  sigaddset(&only, SIGPIPE);
  if (::pthread_sigmask(SIG_BLOCK, &only, &before) != 0) return -1;
  // One that is pending already is blocked by the program itself, and is its own: ours is merged into it (signal(7), standard
  // signals don't queue), and it stays.
  sigemptyset(&pending);
  const bool is_programs_own = ::sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
  const ssize_t written = ::writev(pipe, parts, count);
  const int os_code = errno;
  if (written < 0 && os_code == EPIPE && !is_programs_own) {
    // The signal of a write goes to the writing thread; one that somebody sends the process meanwhile is not taken first
    // (kernel/signal.c, dequeue_signal: the thread's own come first).
    const timespec at_once{};
    while (::sigtimedwait(&only, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = os_code;
  return written;
}

std::ptrdiff_t write_without_signal(int pipe, const iovec* parts, int count) noexcept {
  if (has_no_signal.load(std::memory_order_relaxed)) {
    const ssize_t written = ::pwritev2(pipe, parts, count, -1, kNoSignal);
    if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)) return written;
    has_no_signal.store(false, std::memory_order_relaxed);  // relaxed: as above
  }
  return write_and_take_signal_back(pipe, parts, count);
}

Result<std::size_t> PipeStream::write(std::span<const std::span<const std::byte>> buffers,
                                      std::span<const links::Descriptor::Native> handles) {
  if (!handles.empty()) return Error{Errc::not_supported, Step::send, 0, 0, 0};
  Parts parts;
  const std::size_t count = collect(buffers, parts);
  if (count == 0) return std::size_t{0};
  while (true) {
    const auto written = write_without_signal(number(outgoing_), parts.data(), static_cast<int>(count));
    if (written >= 0) return static_cast<std::size_t>(written);
    if (errno != EINTR) return failure(errno, Step::send);
  }
}

Result<void> PipeStream::finish_writing() {
  // The pipe is closed, its number is not given back: another thread may be about to wait there for room, and would wait for
  // what came to have the number. What takes its place wakes nobody: an eventfd(2) whose counter is full is never writable, and
  // never has a hang-up or an error, which are always waited for.
  constexpr std::uint64_t kFull = std::numeric_limits<std::uint64_t>::max() - 1;
  const links::Descriptor stand_in{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  bool done = stand_in && ::write(number(stand_in), &kFull, sizeof kFull) == sizeof kFull;
  while (done && ::dup3(number(stand_in), number(outgoing_), O_CLOEXEC) < 0) done = errno == EINTR;
  return done ? Result<void>{} : Error{Errc::limit_reached, Step::finish, errno, 0, 0};
}

Result<std::size_t> PipeStream::read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>*) {
  Parts parts;
  const std::size_t count = collect(rooms, parts);
  if (count == 0) return std::size_t{0};
  while (true) {
    const ssize_t read = ::readv(number(incoming_), parts.data(), static_cast<int>(count));
    if (read >= 0) return static_cast<std::size_t>(read);  // 0: nobody has the writing end open any more (pipe(7))
    if (errno != EINTR) return failure(errno, Step::receive);
  }
}

}  // namespace sluice::inline v0::os
