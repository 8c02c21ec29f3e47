#include "os/listening_socket.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "links/fault.hpp"
#include "links/system.hpp"
#include "os/failure.hpp"
#include "os/socket_calls.hpp"

namespace sluice::inline v0::os {

ListeningSocket::ListeningSocket(NameLock lock, SocketFile file, SocketFile::Bound bound) noexcept
    : lock_(std::move(lock)),
      file_(std::move(file)),
      id_(bound.id),
      socket_(std::move(bound.socket)),
      generation_(links::process_generation()) {}

Result<ListeningSocket> ListeningSocket::listen(SocketFile file, NameLock lock, NameRecord record, Allow allow) {
  if (auto cleared = file.clear(lock.found().socket); !cleared) return cleared.error();
  // Before the socket is there: what the lock's file tells is then true at any moment.
  if (auto recorded = lock.record(record); !recorded) return recorded.error();
  auto bound = file.bind(allow);
  if (!bound) return bound.error();
  // From here on the destructor cleans up.
  ListeningSocket listening{std::move(lock), std::move(file), *std::move(bound)};
  record.socket = listening.id_;
  // Before it listens: until then it refuses, which is how a socket without a record is known to be dead.
  if (auto recorded = listening.lock_.record(record); !recorded) return recorded.error();
  fault::point("before-listen");
  // SOMAXCONN is what the system allows at most (listen(2)): silent clients must not keep others out.
  if (::listen(static_cast<int>(listening.socket_.native()), SOMAXCONN) != 0) return failure(errno, Step::listen);
  return listening;
}

ListeningSocket::~ListeningSocket() {
  if (socket_ && generation_ == links::process_generation()) file_.unlink(id_);
}

Result<links::Descriptor> ListeningSocket::accept() const { return accept_connection(socket_); }

}  // namespace sluice::inline v0::os
