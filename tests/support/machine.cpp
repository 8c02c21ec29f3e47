#include "machine.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

#include "sanitizers.hpp"

namespace sluice_test {
namespace {

constexpr milliseconds kPatience{10'000};
constexpr int kSanitizerPatience = 4;  // sanitizers slow a process down 2 to 15 times
constexpr double kSanitizerScale = 0.2;

double read_scale() {
  const char* text = std::getenv("SLUICE_SCALE");
  const double asked = text != nullptr ? std::strtod(text, nullptr) : 1.0;
  const double factor = asked > 0 ? asked : 1.0;
  return under_sanitizer() ? factor * kSanitizerScale : factor;
}

std::uint64_t read_seed() {
  if (const char* text = std::getenv("SLUICE_SEED")) return std::strtoull(text, nullptr, 0);
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

bool can_bind_ipv6() {
  const int socket = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const bool bound = bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(socket);
  return bound;
}

// The number in a cgroup file, or the largest there is ("max", or no such file).
std::uint64_t limit_in(const char* path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  return file >> number ? number : ~std::uint64_t{0};
}

}  // namespace

bool under_address_sanitizer() noexcept { return SLUICE_TEST_UNDER_ASAN != 0; }
bool under_thread_sanitizer() noexcept { return SLUICE_TEST_UNDER_TSAN != 0; }

milliseconds patience() noexcept { return under_sanitizer() ? kPatience * kSanitizerPatience : kPatience; }

double scale() noexcept {
  static const double value = read_scale();
  return value;
}

std::uint64_t scaled(std::uint64_t count, std::uint64_t least) noexcept {
  return std::max(least, static_cast<std::uint64_t>(static_cast<double>(count) * scale()));
}

std::uint64_t seed() {
  static const std::uint64_t value = read_seed();
  return value;
}

std::uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  std::uint64_t available = 0;
  while (file >> word)
    if (word == "MemAvailable:") file >> available;
  available *= 1024;  // the file counts in KiB
  const std::uint64_t limit = limit_in("/sys/fs/cgroup/memory.max");
  const std::uint64_t used = limit_in("/sys/fs/cgroup/memory.current");
  return limit > used && limit != ~std::uint64_t{0} ? std::min(available, limit - used) : available;
}

bool has_ipv6() {
  static const bool has_it = can_bind_ipv6();
  return has_it;
}

UserLock::UserLock(Hold hold) {
  if (hold == Hold::none) return;
  const std::string path = "/tmp/sluice-test-" + std::to_string(getuid()) + ".lock";
  fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd_ < 0 || flock(fd_, hold == Hold::shared ? LOCK_SH : LOCK_EX) != 0) std::perror(path.c_str());
}

UserLock::~UserLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace sluice_test
