// Where SLUICE_TRACE leads: standard error, or a file that lines are appended to. The file's descriptor is the one thing of the
// library that a forked child keeps: its lines, with its own number, are wanted, too. Whole lines by one write(2) with O_APPEND
// don't mix with those of other processes (open(2)).
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>

#include "links/system.hpp"

namespace sluice::inline v0::links {
namespace {

constexpr int kUnknown = -2;
constexpr int kNowhere = -1;

// The descriptor, once it is known. acquire and release would order nothing: who opens a file knows all of it by its number
// (relaxed).
constinit std::atomic<int> destination{kUnknown};

// A line must not raise SIGPIPE where nobody reads what is a pipe (signal(7): to the thread that wrote): it is kept back, and
// taken back, unless one waited already.
void write_without_signal(int to, std::string_view text) noexcept {
  sigset_t pipe;
  sigset_t before;
  sigset_t waiting;
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  const bool waited = ::sigpending(&waiting) == 0 && ::sigismember(&waiting, SIGPIPE) == 1;
  const bool is_blocked = ::pthread_sigmask(SIG_BLOCK, &pipe, &before) == 0;
  const ssize_t written = ::write(to, text.data(), text.size());
  if (written < 0 && errno == EPIPE && is_blocked && !waited) {
    constexpr timespec kAtOnce{};
    while (::sigtimedwait(&pipe, nullptr, &kAtOnce) < 0 && errno == EINTR) {
    }
  }
  if (is_blocked) ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void complain(const char* path, int os_code) {
  const std::string text =
      std::string("sluice: SLUICE_TRACE: can't open ") + path + ": " + ::strerrordesc_np(os_code) + "; nothing is traced\n";
  write_without_signal(STDERR_FILENO, text);
}

int open_destination() {
  // Not for set-user-ID programs, whose environment is somebody else's word (secure_getenv(3)).
  const char* const set = ::secure_getenv("SLUICE_TRACE");
  if (set == nullptr || *set == '\0') return kNowhere;
  if (std::string_view(set) == "stderr") return STDERR_FILENO;
  // O_NONBLOCK: a FIFO that nobody reads must not stop us (fifo(7)).
  const int opened = ::open(set, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
  if (opened < 0) {
    complain(set, errno);
    return kNowhere;
  }
  if (opened > STDERR_FILENO) return opened;
  // The number of a standard stream that was closed: what a program prints there must not end up in the trace.
  const int moved = ::fcntl(opened, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  ::close(opened);
  return moved < 0 ? kNowhere : moved;
}

int find_destination() {
  int known = destination.load(std::memory_order_relaxed);
  if (known != kUnknown) return known;
  const int opened = open_destination();
  if (destination.compare_exchange_strong(known, opened, std::memory_order_relaxed)) return opened;
  if (opened > STDERR_FILENO) ::close(opened);  // another thread was first
  return known;
}

}  // namespace

std::int64_t process_id() noexcept { return ::getpid(); }

bool is_traced() { return find_destination() != kNowhere; }

void write_trace(std::string_view line) {
  const int to = find_destination();
  if (to != kNowhere) write_without_signal(to, line);
}

}  // namespace sluice::inline v0::links
