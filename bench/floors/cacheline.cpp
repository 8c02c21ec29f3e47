// The floor of shared memory: one cache line goes to and fro between two spinning processes.
//   cacheline SECONDS CPU CPU      prints: nanoseconds of the median round trip, how many were measured, wrong ones
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

using Clock = std::chrono::steady_clock;

static void stay_on(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) std::exit(1);
}

struct alignas(128) Line {
  std::atomic<std::uint64_t> number;
  std::uint64_t content[7];  // the rest of 64 bytes
};

static void put(Line& line, std::uint64_t number) {
  for (auto& word : line.content) word = number;
  line.number.store(number, std::memory_order_release);  // pairs with the acquire in take()
}

static bool take(Line& line, std::uint64_t number) {
  while (line.number.load(std::memory_order_acquire) != number) {
  }
  return line.content[6] == number;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  constexpr std::uint64_t kWarmUp = 10'000, kMost = 1'000'000, kEnd = ~0ULL;
  auto* lines = static_cast<Line*>(mmap(nullptr, 2 * sizeof(Line), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t child = fork();
  stay_on(std::atoi(argv[child == 0 ? 3 : 2]));
  if (child == 0) {
    for (std::uint64_t n = 1;; ++n) {
      while (lines[0].number.load(std::memory_order_acquire) != n)
        if (lines[0].number.load(std::memory_order_relaxed) == kEnd) _exit(0);
      put(lines[1], n);
    }
  }
  std::vector<std::int64_t> clock, trips;
  trips.reserve(kMost);
  for (int i = 0; i < 1001; ++i) {
    const auto first = Clock::now();
    clock.push_back((Clock::now() - first).count());
  }
  std::nth_element(clock.begin(), clock.begin() + 500, clock.end());
  const auto end = Clock::now() + std::chrono::duration<double>(std::atof(argv[1]));
  std::uint64_t wrong = 0;
  for (std::uint64_t n = 1; trips.size() < kMost; ++n) {
    const auto begun = Clock::now();
    put(lines[0], n);
    wrong += !take(lines[1], n);
    const auto now = Clock::now();
    if (n > kWarmUp) trips.push_back((now - begun).count() - clock[500]);
    if (n > kWarmUp && now > end) break;
  }
  lines[0].number.store(kEnd, std::memory_order_release);
  waitpid(child, nullptr, 0);
  std::nth_element(trips.begin(), trips.begin() + static_cast<long>(trips.size() / 2), trips.end());
  std::printf("%lld %zu %llu\n", static_cast<long long>(trips[trips.size() / 2]), trips.size(),
              static_cast<unsigned long long>(wrong));
}
