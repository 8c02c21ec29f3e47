// The process tether over a pidfd: SO_PEERPIDFD (Linux 6.5) gives it for the very process that connected; before, pidfd_open(2)
// of the number in SO_PEERCRED does, which the handshake proves right. A pidfd is readable from the end of the process on, also
// while nobody has reaped it (pidfd_open(2)); a stopped process has not ended.
#include "os/process_tether.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr int kPeerPidfd = 77;  // SO_PEERPIDFD, asm-generic/socket.h; Debian 12's headers are older

class ProcessTether final : public links::Tether {
 public:
  explicit ProcessTether(links::Descriptor process) noexcept
      : process_(std::move(process)), waitables_{{{process_.native()}}} {}

  [[nodiscard]] std::span<const links::Waitable> waitables() const override { return waitables_; }

  [[nodiscard]] bool is_severed() const override {
    pollfd process{.fd = static_cast<int>(process_.native()), .events = POLLIN, .revents = 0};
    return ::poll(&process, 1, 0) > 0;
  }

 private:
  links::Descriptor process_;
  std::array<links::Waitable, 1> waitables_;
};

// What is always readable, for a peer that had ended before it could be opened.
links::Descriptor ended_process() noexcept { return links::Descriptor{::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)}; }

bool is_exhausted(int os_code) noexcept { return os_code == EMFILE || os_code == ENFILE || os_code == ENOMEM; }

Result<std::unique_ptr<links::Tether>> hold(links::Descriptor process) {
  if (!process) return failure(errno, Step::identify_peer);
  return std::unique_ptr<links::Tether>(std::make_unique<ProcessTether>(std::move(process)));
}

// pidfd_open(2) of a number; glibc has a wrapper from 2.36 on only.
links::Descriptor open_process(std::int64_t process_id) noexcept {
  return links::Descriptor{
      static_cast<links::Descriptor::Native>(::syscall(SYS_pidfd_open, static_cast<pid_t>(process_id), 0))};
}

}  // namespace

std::unique_ptr<links::Tether> tether_to_process(links::Descriptor process) {
  return std::make_unique<ProcessTether>(std::move(process));
}

Result<std::unique_ptr<links::Tether>> tether_to(const links::Descriptor& socket, const Peer& peer) {
  const auto none = [] { return std::unique_ptr<links::Tether>(std::make_unique<links::NoTether>()); };
  if (peer.process_id == ::getpid()) return none();
  int process = -1;
  socklen_t size = sizeof process;
  if (::getsockopt(static_cast<int>(socket.native()), SOL_SOCKET, kPeerPidfd, &process, &size) == 0) {
    return hold(links::Descriptor{process});
  }
  if (is_exhausted(errno)) return failure(errno, Step::identify_peer);
  if (errno == ENODATA) return none();                     // a socket whose other end was never a process's own
  if (errno != ENOPROTOOPT) return hold(ended_process());  // ESRCH, EINVAL: it has ended and is reaped
  if (!peer.process_id) return none();
  links::Descriptor opened = open_process(*peer.process_id);
  if (opened) return hold(std::move(opened));
  if (errno == ESRCH) return hold(ended_process());
  if (is_exhausted(errno)) return failure(errno, Step::identify_peer);
  return none();  // forbidden by a sandbox: the hang-up alone is left
}

}  // namespace sluice::inline v0::os
