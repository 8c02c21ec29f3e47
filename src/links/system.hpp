// The little that the core asks of the operating system besides links and waiters. Defined once for each system in os/.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <sluice/result.hpp>

namespace sluice::inline v0::links {

// Fills `room` with bytes from the system's random generator (getrandom(2), arc4random_buf(3), BCryptGenRandom).
Result<void> random_bytes(std::span<std::byte> room);

// Counts forks: a number that differs between a process and its forked children. Two loads, one of them acquire (is the fork
// handler there?); only the first call of a process does more, for it registers that handler.
[[nodiscard]] std::uint32_t process_generation() noexcept;

// How many processors this thread may run on: with one, spinning keeps the peer from running. At least 1.
[[nodiscard]] unsigned usable_processors() noexcept;

// How many processors this machine has, whichever of them this process may use. At least 1.
[[nodiscard]] unsigned all_processors() noexcept;

// Milliseconds of a clock that never goes back and moves in steps of some milliseconds, for what is done once in a while: a
// look at it costs a few nanoseconds (CLOCK_MONOTONIC_COARSE, clock_gettime(2); CLOCK_MONOTONIC_RAW_APPROX; GetTickCount64).
[[nodiscard]] std::int64_t coarse_milliseconds() noexcept;

// A hint to the processor to fetch a line of memory that is going to be read. It reads nothing: no value, no race.
void prefetch(const void* line) noexcept;

// Waits while the word holds `value`, in this process; may return early. Whoever changes it tells so afterwards. Nothing is
// read through it (relaxed). futex(2); __ulock_wait; WaitOnAddress, for std::atomic's own loses wake-ups on mingw-w64's
// libstdc++ 12.
void wait_for_change(const std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept;
void tell_change(std::atomic<std::uint32_t>& word) noexcept;

// The system this library was built for, as the table of mechanisms names it: "linux", "macos", "windows".
[[nodiscard]] std::string_view this_system() noexcept;

// This process's number: for people and logs, never an identity.
[[nodiscard]] std::int64_t process_id() noexcept;

// Whether the environment asks for a trace of every channel (SLUICE_TRACE=stderr, or a file's path, which is appended to). Read
// once, by whoever asks first.
[[nodiscard]] bool is_traced();
// Appends a line, its end included, to that trace. What can't be written is lost.
void write_trace(std::string_view line);

}  // namespace sluice::inline v0::links
