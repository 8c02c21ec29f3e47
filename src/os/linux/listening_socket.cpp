#include "os/listening_socket.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "links/fault.hpp"
#include "links/system.hpp"
#include "os/failure.hpp"
#include "os/socket_calls.hpp"

namespace sluice::inline v0::os {

ListeningSocket::ListeningSocket(std::optional<Named> named, links::Descriptor socket) noexcept
    : named_(std::move(named)), socket_(std::move(socket)), generation_(links::process_generation()) {}

Result<ListeningSocket> ListeningSocket::listen(SocketFile file, NameLock lock, NameRecord record, Allow allow) {
  if (auto cleared = file.clear(lock.found().socket); !cleared) return cleared.error();
  // Before the socket is there: what the lock's file tells is then true at any moment.
  if (auto recorded = lock.record(record); !recorded) return recorded.error();
  auto bound = file.bind(allow);
  if (!bound) return bound.error();
  // From here on the destructor cleans up.
  ListeningSocket listening{Named{std::move(lock), std::move(file), bound->id}, std::move(bound->socket)};
  record.socket = listening.named_->id;
  // Before it listens: until then it refuses, which is how a socket without a record is known to be dead.
  if (auto recorded = listening.named_->lock.record(record); !recorded) return recorded.error();
  if (auto started = listening.start(); !started) return started.error();
  return listening;
}

Result<ListeningSocket> ListeningSocket::listen(const AbstractName& name) {
  auto bound = name.bind();
  if (!bound) return bound.error();
  fault::point("after-bind");
  ListeningSocket listening{std::nullopt, *std::move(bound)};
  if (auto started = listening.start(); !started) return started.error();
  return listening;
}

Result<void> ListeningSocket::start() const {
  fault::point("before-listen");
  // SOMAXCONN is what the system allows at most (listen(2)): silent clients must not keep others out.
  if (::listen(static_cast<int>(socket_.native()), SOMAXCONN) != 0) return failure(errno, Step::listen);
  return {};
}

ListeningSocket::~ListeningSocket() {
  if (socket_ && named_ && generation_ == links::process_generation()) named_->file.unlink(named_->id);
}

Result<links::Descriptor> ListeningSocket::accept() const { return accept_connection(socket_); }

}  // namespace sluice::inline v0::os
