// links/system.hpp on Linux; process_generation() is in os/posix/fork.cpp.
#include "links/system.hpp"

#include <sched.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace sluice::inline v0::links {
namespace {

struct FreeCpuSet {
  void operator()(cpu_set_t* set) const noexcept { CPU_FREE(set); }
};

}  // namespace

Result<void> random_bytes(std::span<std::byte> room) {
  while (!room.empty()) {
    const ssize_t count = ::getrandom(room.data(), room.size(), 0);
    if (count < 0) {
      if (errno == EINTR) continue;
      return Error{Errc::not_supported, Step::none, errno, 0, 0};
    }
    room = room.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

unsigned usable_processors() noexcept {
  // A set that is smaller than the kernel's gives EINVAL (sched_setaffinity(2)): try larger ones.
  constexpr std::size_t kMostProcessors = 1U << 16U;
  for (std::size_t processors = CPU_SETSIZE; processors <= kMostProcessors; processors *= 4) {
    const std::unique_ptr<cpu_set_t, FreeCpuSet> set(CPU_ALLOC(processors));
    if (!set) return 1;
    const std::size_t size = CPU_ALLOC_SIZE(processors);
    if (::sched_getaffinity(0, size, set.get()) == 0) {
      const int count = CPU_COUNT_S(size, set.get());
      return count < 1 ? 1U : static_cast<unsigned>(count);
    }
    if (errno != EINVAL) return 1;
  }
  return 1;
}

unsigned all_processors() noexcept {
  const long count = ::sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1U : static_cast<unsigned>(count);
}

std::int64_t coarse_milliseconds() noexcept {
  timespec now{};
  (void)::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

void wait_for_change(const std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
  word.wait(value, std::memory_order_relaxed);  // relaxed: as it says
}
void tell_change(std::atomic<std::uint32_t>& word) noexcept { word.notify_all(); }

std::string_view this_system() noexcept { return "linux"; }

}  // namespace sluice::inline v0::links
