// ListeningSocket: a Unix socket that listens under a name of its own: the lock, the file, and the socket, in this order, and
// given back in the other. Where the name is no file, the socket alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/options.hpp>
#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/waiter.hpp"
#include "os/abstract_socket.hpp"
#include "os/name_lock.hpp"
#include "os/socket_file.hpp"

namespace sluice::inline v0::os {

class ListeningSocket {
 public:
  // With the name's lock in hand: takes over from a dead listener, records, binds, listens. What `record` says of a socket is
  // filled in here. address_in_use, access_denied: as SocketFile::clear().
  static Result<ListeningSocket> listen(SocketFile file, NameLock lock, NameRecord record, Allow allow);
  // address_in_use: as AbstractName::bind().
  static Result<ListeningSocket> listen(const AbstractName& name);

  ListeningSocket(ListeningSocket&& other) noexcept = default;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  // Unlinks the socket if it is still ours; not in a forked child.
  ~ListeningSocket();

  // would_block: none is waiting. A client that has gone again is passed over. limit_reached: no descriptors or memory left.
  [[nodiscard]] Result<links::Descriptor> accept() const;
  [[nodiscard]] links::Waitable waitable() const noexcept { return {socket_.native()}; }

 private:
  struct Named {
    NameLock lock;  // goes last
    SocketFile file;
    FileId id;
  };

  ListeningSocket(std::optional<Named> named, links::Descriptor socket) noexcept;
  [[nodiscard]] Result<void> start() const;

  std::optional<Named> named_;
  links::Descriptor socket_;
  std::uint32_t generation_;
};

}  // namespace sluice::inline v0::os
