// A meeting is a connected socket, who the kernel says is at its other end, and the tether to that process. Both sides look:
// the listener for strangers, the one who connects for a name that a stranger has taken.
#include "os/socket_meeting.hpp"

#include <unistd.h>

#include <utility>

#include "os/connection_tether.hpp"
#include "os/identity.hpp"
#include "os/process_tether.hpp"
#include "os/unix_stream.hpp"

namespace sluice::inline v0::os {
namespace {

Result<links::Meeting> meet(links::Descriptor socket, Allow allow, const InLobby& in_lobby) {
  auto peer = peer_of(socket);
  if (!peer) return peer.error();
  auto tether = tether_to(socket, *peer);
  if (!tether) return tether.error();
  links::Meeting meeting;
  meeting.peer = *peer;
  meeting.carries_handles = in_lobby.carries_handles;
  if (meeting.carries_handles) {
    tether = tether_to_connection(socket, *std::move(tether));
    if (!tether) return tether.error();
  }
  meeting.tether = *std::move(tether);
  meeting.vouched = vouch_for(*peer, allow);
  meeting.one_process = peer->process_id == ::getpid();
  meeting.link = std::unique_ptr<links::StreamLink>(std::make_unique<UnixStream>(std::move(socket)));
  if (in_lobby.make_private_link) meeting.private_link = in_lobby.make_private_link();
  return meeting;
}

class SocketAcceptor final : public links::Acceptor {
 public:
  SocketAcceptor(ListeningSocket socket, std::string where, Allow allow, InLobby in_lobby) noexcept
      : socket_(std::move(socket)), where_(std::move(where)), allow_(allow), in_lobby_(std::move(in_lobby)) {}

  Result<links::Meeting> accept() override {
    auto socket = socket_.accept();
    if (!socket) return socket.error();
    return meet(*std::move(socket), allow_, in_lobby_);
  }
  [[nodiscard]] links::Waitable waitable() const override { return socket_.waitable(); }
  [[nodiscard]] std::string where() const override { return where_; }

 private:
  ListeningSocket socket_;
  std::string where_;
  Allow allow_;
  InLobby in_lobby_;
};

class SocketDialer final : public links::Dialer {
 public:
  SocketDialer(std::function<Result<links::Descriptor>()> connect, Allow allow, InLobby in_lobby) noexcept
      : connect_(std::move(connect)), allow_(allow), in_lobby_(std::move(in_lobby)) {}

  Result<links::Meeting> connect() override {
    auto socket = connect_();
    if (!socket) return socket.error();
    return meet(*std::move(socket), allow_, in_lobby_);
  }
  // A connection is made at once or not at all.
  [[nodiscard]] links::Waitable waitable() const override { return {}; }

 private:
  std::function<Result<links::Descriptor>()> connect_;
  Allow allow_;
  InLobby in_lobby_;
};

}  // namespace

std::unique_ptr<links::Acceptor> make_socket_acceptor(ListeningSocket socket, std::string where, Allow allow,
                                                      InLobby in_lobby) {
  return std::make_unique<SocketAcceptor>(std::move(socket), std::move(where), allow, std::move(in_lobby));
}

std::unique_ptr<links::Dialer> make_socket_dialer(std::function<Result<SocketFile>()> locate, Allow allow, InLobby in_lobby) {
  const auto connect = [locate = std::move(locate)]() -> Result<links::Descriptor> {
    const auto file = locate();
    if (!file) return file.error();
    return file->connect();
  };
  return std::make_unique<SocketDialer>(connect, allow, std::move(in_lobby));
}

std::unique_ptr<links::Dialer> make_fileless_dialer(std::function<Result<links::Descriptor>()> connect, Allow allow) {
  return std::make_unique<SocketDialer>(std::move(connect), allow, InLobby{});
}

}  // namespace sluice::inline v0::os
