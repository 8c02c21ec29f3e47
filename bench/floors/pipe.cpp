// The floor of `pipe`: a message goes to and fro over two pipes as the system makes them.
//   pipe SIZE sleep|spin SECONDS CPU CPU      prints: nanoseconds of the median round trip, how many were measured, wrong ones
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

using Clock = std::chrono::steady_clock;
static bool spins;

static bool wait_for(int fd, short events) {  // after a try in vain
  pollfd wanted{fd, events, 0};
  return errno == EAGAIN && (spins || poll(&wanted, 1, -1) >= 0);
}

static ssize_t write_once(int fd, const iovec& part) {
  constexpr int kNoSignal = 0x100;  // RWF_NOSIGNAL, which Linux has from 6.18 on; before it SIGPIPE is not held off here
  static bool has_flag = true;
  const ssize_t put = has_flag ? pwritev2(fd, &part, 1, -1, kNoSignal) : writev(fd, &part, 1);
  if (put >= 0 || !has_flag || errno == EAGAIN || errno == EPIPE) return put;
  has_flag = false;
  return writev(fd, &part, 1);
}

static void put(int fd, char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t put = write_once(fd, {bytes, size});
    if (put < 0 && !wait_for(fd, POLLOUT)) _exit(1);
    if (put > 0) bytes += put, size -= static_cast<std::size_t>(put);
  }
}

static void take(int fd, char* bytes, std::size_t size) {
  while (size > 0) {
    const iovec room{bytes, size};
    const ssize_t got = readv(fd, &room, 1);
    if (got == 0 || (got < 0 && !wait_for(fd, POLLIN))) _exit(1);  // the other side has ended
    if (got > 0) bytes += got, size -= static_cast<std::size_t>(got);
  }
}

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  std::vector<char> message(static_cast<std::size_t>(std::atol(argv[1])));
  spins = std::strcmp(argv[2], "spin") == 0;
  int there[2], back[2];
  if (pipe2(there, O_NONBLOCK) != 0 || pipe2(back, O_NONBLOCK) != 0) return 1;
  const pid_t child = fork();
  cpu_set_t cpu{};
  CPU_SET(static_cast<std::size_t>(std::atoi(argv[child == 0 ? 5 : 4])), &cpu);
  if (sched_setaffinity(0, sizeof cpu, &cpu) != 0) return 1;
  const int in = child == 0 ? there[0] : back[0], out = child == 0 ? back[1] : there[1];
  close(child == 0 ? there[1] : there[0]);
  close(child == 0 ? back[0] : back[1]);
  while (child == 0) take(in, message.data(), message.size()), put(out, message.data(), message.size());
  const auto begun = Clock::now(), end = begun + std::chrono::nanoseconds(static_cast<long>(std::atof(argv[3]) * 1e9));
  std::vector<long> trips;
  std::size_t wrong = 0;
  for (std::size_t n = 0; trips.size() < 1'000'000 && (trips.size() < 10 || Clock::now() < end); ++n) {
    const auto sent = Clock::now();
    std::memcpy(message.data(), &n, sizeof n);
    put(out, message.data(), message.size());
    take(in, message.data(), message.size());
    wrong += std::memcmp(message.data(), &n, sizeof n) != 0;
    if (sent - begun > (end - begun) / 10) trips.push_back((Clock::now() - sent).count());  // after a warm-up
  }
  close(out);
  waitpid(child, nullptr, 0);
  std::nth_element(trips.begin(), trips.begin() + static_cast<long>(trips.size() / 2), trips.end());
  std::printf("%ld %zu %zu\n", trips[trips.size() / 2], trips.size(), wrong);
}
