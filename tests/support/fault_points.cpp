#include "fault_points.hpp"

#include <mutex>
#include <utility>

#include "links/fault.hpp"

namespace sluice_test::fault_points {

#if defined(SLUICE_FAULT_POINTS)

namespace {

struct State {
  std::mutex mutex;
  std::map<std::string, std::uint64_t> passed;
  std::string armed;
  std::uint64_t left{0};
  int signal{0};
};

State& state() {
  static State value;
  return value;
}

void on_point(const char* point) {
  auto& now = state();
  const std::lock_guard lock(now.mutex);
  ++now.passed[point];
  if (now.left == 0 || (now.armed != "*" && now.armed != point)) return;
  if (--now.left == 0) raise(now.signal);
}

}  // namespace

bool are_built_in() noexcept { return true; }

void install() { sluice::fault::hook = on_point; }

void arm(std::string point, std::uint64_t count, int signal) {
  auto& now = state();
  const std::lock_guard lock(now.mutex);
  now.armed = std::move(point);
  now.left = count;
  now.signal = signal;
}

std::map<std::string, std::uint64_t> passed() {
  auto& now = state();
  const std::lock_guard lock(now.mutex);
  return now.passed;
}

#else

bool are_built_in() noexcept { return false; }
void install() {}
void arm(std::string, std::uint64_t, int) {}
std::map<std::string, std::uint64_t> passed() { return {}; }

#endif

}  // namespace sluice_test::fault_points
