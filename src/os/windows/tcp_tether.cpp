// The tether of a TCP connection: an event that Winsock sets when the peer has ended or reset it ("WSAEventSelect function",
// FD_CLOSE), and the peer's process, where it is one of this machine and the system says which.
//
// FD_CLOSE may come only when what was sent before it has been read. So an end behind unread bytes, more of them than the link
// has fetched, is told by the process alone; over a network, and under Wine, by the next read or write.
#include <utility>
#include <vector>

#include "os/process_tether.hpp"
#include "os/socket_owner.hpp"
#include "os/tcp_socket.hpp"
#include "os/windows/system_headers.hpp"

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

class TcpTether final : public links::Tether {
 public:
  TcpTether(links::Descriptor event, std::unique_ptr<links::Tether> process)
      : event_(std::move(event)), process_(std::move(process)), waitables_{{event_.native()}} {
    if (!process_) return;
    const auto more = process_->waitables();
    waitables_.insert(waitables_.end(), more.begin(), more.end());
  }

  [[nodiscard]] std::span<const links::Waitable> waitables() const override { return waitables_; }
  [[nodiscard]] bool is_severed() const override {
    return is_signalled(to_handle(event_)) || (process_ && process_->is_severed());
  }

 private:
  links::Descriptor event_;
  std::unique_ptr<links::Tether> process_;
  std::vector<links::Waitable> waitables_;
};

// The process that has the other end, if it is another one of this machine; what can't be found out is left out.
std::unique_ptr<links::Tether> tether_to_owner(const links::Descriptor& socket) {
  const auto ends = ends_of(socket);
  if (!ends || !are_owners_told() || !(is_loopback(ends->ours) || is_loopback(ends->theirs))) return nullptr;
  const auto peer = connected_peer(ends->theirs, ends->ours);
  if (!peer || !peer->process_id || *peer->process_id == ::GetCurrentProcessId()) return nullptr;
  auto process = own(::OpenProcess(SYNCHRONIZE, FALSE, static_cast<DWORD>(*peer->process_id)));
  if (!process) return nullptr;
  // The number could have become another process's: it is the right one if the socket is still its own.
  const auto again = connected_peer(ends->theirs, ends->ours);
  if (!again || again->process_id != peer->process_id) return nullptr;
  return tether_to_process(std::move(process));
}

}  // namespace

Result<std::unique_ptr<links::Tether>> tether_to_tcp(const links::Descriptor& socket) {
  auto event = own(::CreateEventW(nullptr, TRUE, FALSE, nullptr));
  if (!event) return failure(last_error(), Step::identify_peer);
  if (::WSAEventSelect(to_socket(socket), to_handle(event), FD_CLOSE) != 0) {
    return failure(::WSAGetLastError(), Step::identify_peer);
  }
  return std::unique_ptr<links::Tether>(std::make_unique<TcpTether>(std::move(event), tether_to_owner(socket)));
}

}  // namespace sluice::inline v0::os
