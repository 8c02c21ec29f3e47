// The connection's tether over an epoll set of its own, which holds the socket for nothing but EPOLLRDHUP (epoll_ctl(2): the
// peer has closed its writing half; EPOLLHUP and EPOLLERR come along). A socket with unread bytes is readable anyway: this set
// becomes so by the end alone (epoll(7), "Q&A"). What tells of the peer's process lies in the same set. A pipe has EPOLLHUP at
// its reading end once nobody writes, and EPOLLERR at its writing end once nobody reads (poll(2), likewise).
#include "os/connection_tether.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

class ConnectionTether final : public links::Tether {
 public:
  ConnectionTether(links::Descriptor set, std::unique_ptr<links::Tether> process) noexcept
      : process_(std::move(process)), set_(std::move(set)), waitables_{{{set_.native()}}} {}

  [[nodiscard]] std::span<const links::Waitable> waitables() const override { return waitables_; }

  [[nodiscard]] bool is_severed() const override {
    pollfd set{.fd = static_cast<int>(set_.native()), .events = POLLIN, .revents = 0};
    return ::poll(&set, 1, 0) > 0;
  }

 private:
  std::unique_ptr<links::Tether> process_;  // what it tells with lies in the set
  links::Descriptor set_;
  std::array<links::Waitable, 1> waitables_;
};

bool add(const links::Descriptor& set, links::Descriptor::Native what, std::uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  return ::epoll_ctl(static_cast<int>(set.native()), EPOLL_CTL_ADD, static_cast<int>(what), &event) == 0;
}

Result<std::unique_ptr<links::Tether>> tether_to(std::span<const links::Descriptor* const> ends,
                                                 std::unique_ptr<links::Tether> process) {
  links::Descriptor set{::epoll_create1(EPOLL_CLOEXEC)};
  if (!set) return failure(errno, Step::identify_peer);
  for (const auto* end : ends) {
    if (!add(set, end->native(), EPOLLRDHUP)) return failure(errno, Step::identify_peer);
  }
  for (const auto waitable : process->waitables()) {
    if (!add(set, waitable.native, EPOLLIN)) return failure(errno, Step::identify_peer);
  }
  return std::unique_ptr<links::Tether>(std::make_unique<ConnectionTether>(std::move(set), std::move(process)));
}

}  // namespace

Result<std::unique_ptr<links::Tether>> tether_to_connection(const links::Descriptor& socket) {
  return tether_to_connection(socket, std::make_unique<links::NoTether>());
}

Result<std::unique_ptr<links::Tether>> tether_to_connection(const links::Descriptor& socket,
                                                            std::unique_ptr<links::Tether> process) {
  return tether_to(std::array{&socket}, std::move(process));
}

Result<std::unique_ptr<links::Tether>> tether_to_connection(const links::Descriptor& reading,
                                                            const links::Descriptor& writing) {
  return tether_to(std::array{&reading, &writing}, std::make_unique<links::NoTether>());
}

}  // namespace sluice::inline v0::os
