// What the tests ask of the machine they run on: how patient to be, how much to scale counts, what is shared with other runs.
// Everything here is read once, from the environment or the system; nothing changes while a test runs.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace sluice_test {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// True in a build with that sanitizer: some promises (idle threads, paths by system call) can't be observed under one.
[[nodiscard]] bool under_address_sanitizer() noexcept;
[[nodiscard]] bool under_thread_sanitizer() noexcept;
[[nodiscard]] inline bool under_sanitizer() noexcept { return under_address_sanitizer() || under_thread_sanitizer(); }

// How long a test waits for an event before it fails: 10 s, several times that under a sanitizer.
[[nodiscard]] milliseconds patience() noexcept;

// The factor for counts: SLUICE_SCALE, default 1; smaller under a sanitizer.
[[nodiscard]] double scale() noexcept;
// `count` scaled, at least `least`.
[[nodiscard]] std::uint64_t scaled(std::uint64_t count, std::uint64_t least = 1) noexcept;

// SLUICE_SEED, or a fresh random number. The same for the whole run of a program, which prints it.
[[nodiscard]] std::uint64_t seed();

// Bytes of memory that the machine could give now: MemAvailable of /proc/meminfo (proc(5)), cut by the cgroup's limit.
[[nodiscard]] std::uint64_t available_memory();

// Whether a socket can be bound to the IPv6 loopback, ::1 (ipv6(7)): not where IPv6 is disabled, as in many containers.
[[nodiscard]] bool has_ipv6();

// Some limits belong to the user, not to the process: all POSIX message queues of a user share RLIMIT_MSGQUEUE (getrlimit(2)).
// Two checkouts that test at the same time must not disturb each other: ordinary tests hold this lock shared (other programs by
// sharing_user_limits), those that use a limit up hold it exclusively. The kernel drops it with its holder (flock(2)).
class UserLock {
 public:
  enum class Hold { none, shared, exclusive };
  // Waits for the lock; call it before the test's own clock runs.
  explicit UserLock(Hold hold);
  UserLock(const UserLock&) = delete;
  UserLock& operator=(const UserLock&) = delete;
  ~UserLock();

 private:
  int fd_{-1};
};

}  // namespace sluice_test
