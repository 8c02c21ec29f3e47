// A meeting is a connected socket, who the kernel says is at its other end, and the tether to that process. Both sides look:
// the listener for strangers, the one who connects for a name that a stranger has taken.
#include "os/socket_meeting.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "os/adopted_socket.hpp"
#include "os/connection_tether.hpp"
#include "os/failure.hpp"
#include "os/identity.hpp"
#include "os/process_tether.hpp"
#include "os/socket_calls.hpp"
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

// With a socket that somebody else has bound and keeps the name of.
class AdoptedAcceptor final : public links::Acceptor {
 public:
  AdoptedAcceptor(links::Descriptor socket, std::string where, Allow allow) noexcept
      : socket_(std::move(socket)), where_(std::move(where)), allow_(allow) {}

  Result<links::Meeting> accept() override {
    auto socket = accept_shared(socket_);
    if (!socket) return socket.error();
    return meet(*std::move(socket), allow_, {});
  }
  [[nodiscard]] links::Waitable waitable() const override { return {socket_.native()}; }
  [[nodiscard]] std::string where() const override { return where_; }

 private:
  links::Descriptor socket_;
  std::string where_;
  Allow allow_;
};

// A meeting of which the hang-up alone is the tether.
Result<links::Meeting> meet_handed_over(links::Descriptor socket, const InLobby& in_lobby) {
  auto tether = tether_to_connection(socket);
  if (!tether) return tether.error();
  links::Meeting meeting;
  meeting.tether = *std::move(tether);
  meeting.link = std::unique_ptr<links::StreamLink>(std::make_unique<UnixStream>(std::move(socket)));
  meeting.carries_handles = in_lobby.carries_handles;
  if (in_lobby.make_private_link) meeting.private_link = in_lobby.make_private_link();
  return meeting;
}

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

Result<links::Ends> make_socket_ends(const InLobby& in_lobby) {
  std::array<int, 2> sockets{};
  // Blocking, for a stranger who gets the other end reads it plainly. Ours needs no mode (os/socket_calls.hpp).
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return failure(errno, Step::inherit);
  }
  links::Descriptor ours{sockets[0]};
  links::Descriptor theirs{sockets[1]};
  auto meeting = meet_handed_over(std::move(ours), in_lobby);
  if (!meeting) return meeting.error();
  links::Ends ends{*std::move(meeting), {}};
  ends.theirs.push_back(std::move(theirs));
  return ends;
}

Result<links::Meeting> take_socket_end(std::vector<links::Descriptor> handles, Allow allow, const InLobby& in_lobby) {
  if (handles.size() != 1 || !is_stream_socket(handles[0], AF_UNIX)) return Error{Errc::misuse, Step::adopt, 0, 0, 0};
  if (auto prepared = prepare_adopted_connection(handles[0]); !prepared) return prepared.error();
  const auto peer = peer_of(handles[0]);
  if (!peer) return peer.error();
  auto meeting = meet_handed_over(std::move(handles[0]), in_lobby);
  if (!meeting) return meeting.error();
  meeting->peer = *peer;
  meeting->vouched = vouch_for(*peer, allow);
  return meeting;
}

Result<std::unique_ptr<links::Acceptor>> adopt_listening_socket(links::Descriptor listening, std::string where, Allow allow) {
  if (!is_stream_socket(listening, AF_UNIX)) return Error{Errc::misuse, Step::adopt, 0, 0, 0};
  if (auto prepared = prepare_adopted_listener(listening); !prepared) return prepared.error();
  return std::unique_ptr<links::Acceptor>(std::make_unique<AdoptedAcceptor>(std::move(listening), std::move(where), allow));
}

}  // namespace sluice::inline v0::os
