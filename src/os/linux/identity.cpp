// SO_PEERCRED (unix(7)): the credentials are taken by the kernel when connect(2), listen(2) or socketpair(2) is called; nothing
// that the peer does later changes them.
#include "os/identity.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "os/failure.hpp"

namespace sluice::inline v0::os {

Result<Peer> peer_of(const links::Descriptor& socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(static_cast<int>(socket.native()), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return failure(errno, Step::identify_peer);
  }
  Peer peer;
  // 0: no process of this namespace (pid_namespaces(7))
  if (credentials.pid > 0) peer.process_id = credentials.pid;
  peer.user_id = credentials.uid;
  return peer;
}

Result<void> vouch_for(const Peer& peer, Allow allow) noexcept {
  const std::int64_t ours = ::geteuid();
  if (allow == Allow::anyone || peer.user_id == ours) return {};
  return Error{Errc::access_denied, Step::identify_peer, 0, peer.user_id.value_or(-1), ours};
}

}  // namespace sluice::inline v0::os
