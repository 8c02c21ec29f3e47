// The floor of `tcp`: a message goes to and fro over a connection on the loopback, with TCP_NODELAY.
//   tcp SIZE sleep|spin SECONDS CPU CPU      prints: nanoseconds of the median round trip, how many were measured, wrong ones
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
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

static void put(int fd, char* bytes, std::size_t size) {
  iovec part{bytes, size};
  const msghdr all{nullptr, 0, &part, 1, nullptr, 0, 0};
  while (part.iov_len > 0) {
    const ssize_t put = sendmsg(fd, &all, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && !wait_for(fd, POLLOUT)) _exit(1);
    if (put > 0) part = {bytes += put, size -= static_cast<std::size_t>(put)};
  }
}

static void take(int fd, char* bytes, std::size_t size) {
  iovec part{bytes, size};
  msghdr all{nullptr, 0, &part, 1, nullptr, 0, 0};
  while (part.iov_len > 0) {
    const ssize_t got = recvmsg(fd, &all, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && !wait_for(fd, POLLIN))) _exit(1);  // the other side has ended
    if (got > 0) part = {bytes += got, size -= static_cast<std::size_t>(got)};
  }
}

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  std::vector<char> message(static_cast<std::size_t>(std::atol(argv[1])));
  spins = std::strcmp(argv[2], "spin") == 0;
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t length = sizeof address;
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  const int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (bind(listener, name, length) != 0 || listen(listener, 1) != 0 || getsockname(listener, name, &length) != 0) return 1;
  int ends[2] = {socket(AF_INET, SOCK_STREAM, 0), -1};
  if (connect(ends[0], name, length) != 0 || (ends[1] = accept(listener, nullptr, nullptr)) < 0) return 1;
  for (const int end : ends) setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const pid_t child = fork();
  cpu_set_t cpu{};
  CPU_SET(static_cast<std::size_t>(std::atoi(argv[child == 0 ? 5 : 4])), &cpu);
  if (sched_setaffinity(0, sizeof cpu, &cpu) != 0) return 1;
  const int in = ends[child == 0], out = in;
  close(ends[child != 0]);
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
