// A meeting is a connected socket, who the kernel says is at its other end, and the tether to that process. Both sides look:
// the listener for strangers, the one who connects for a name that a stranger has taken.
#include "os/socket_meeting.hpp"

#include <unistd.h>

#include <utility>

#include "os/identity.hpp"
#include "os/process_tether.hpp"
#include "os/unix_stream.hpp"

namespace sluice::inline v0::os {
namespace {

Result<links::Meeting> meet(links::Descriptor socket, Allow allow, const MakePrivateLink& make_private_link) {
  auto peer = peer_of(socket);
  if (!peer) return peer.error();
  auto tether = tether_to(socket, *peer);
  if (!tether) return tether.error();
  links::Meeting meeting;
  meeting.peer = *peer;
  meeting.tether = *std::move(tether);
  meeting.vouched = vouch_for(*peer, allow);
  meeting.one_process = peer->process_id == ::getpid();
  meeting.link = std::unique_ptr<links::StreamLink>(std::make_unique<UnixStream>(std::move(socket)));
  if (make_private_link) meeting.private_link = make_private_link();
  return meeting;
}

class SocketAcceptor final : public links::Acceptor {
 public:
  SocketAcceptor(ListeningSocket socket, std::string where, Allow allow, MakePrivateLink make_private_link) noexcept
      : socket_(std::move(socket)), where_(std::move(where)), allow_(allow), make_private_link_(std::move(make_private_link)) {}

  Result<links::Meeting> accept() override {
    auto socket = socket_.accept();
    if (!socket) return socket.error();
    return meet(*std::move(socket), allow_, make_private_link_);
  }
  [[nodiscard]] links::Waitable waitable() const override { return socket_.waitable(); }
  [[nodiscard]] std::string where() const override { return where_; }

 private:
  ListeningSocket socket_;
  std::string where_;
  Allow allow_;
  MakePrivateLink make_private_link_;
};

class SocketDialer final : public links::Dialer {
 public:
  SocketDialer(std::function<Result<SocketFile>()> locate, Allow allow, MakePrivateLink make_private_link) noexcept
      : locate_(std::move(locate)), allow_(allow), make_private_link_(std::move(make_private_link)) {}

  Result<links::Meeting> connect() override {
    const auto file = locate_();
    if (!file) return file.error();
    auto socket = file->connect();
    if (!socket) return socket.error();
    return meet(*std::move(socket), allow_, make_private_link_);
  }
  // A connection is made at once or not at all.
  [[nodiscard]] links::Waitable waitable() const override { return {}; }

 private:
  std::function<Result<SocketFile>()> locate_;
  Allow allow_;
  MakePrivateLink make_private_link_;
};

}  // namespace

std::unique_ptr<links::Acceptor> make_socket_acceptor(ListeningSocket socket, std::string where, Allow allow,
                                                      MakePrivateLink make_private_link) {
  return std::make_unique<SocketAcceptor>(std::move(socket), std::move(where), allow, std::move(make_private_link));
}

std::unique_ptr<links::Dialer> make_socket_dialer(std::function<Result<SocketFile>()> locate, Allow allow,
                                                  MakePrivateLink make_private_link) {
  return std::make_unique<SocketDialer>(std::move(locate), allow, std::move(make_private_link));
}

}  // namespace sluice::inline v0::os
