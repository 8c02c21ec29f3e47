// tcp:host:port: a TCP connection, over IPv4 and IPv6, on this machine or to another one. It stands on os/ for sockets,
// addresses and the question whose a socket is, and promises streams of bytes. The connection's own end is the tether.
//
// Who may: on the loopback the kernel says whose the socket at the other end is (os/socket_owner.hpp); as that can be wrong
// once the other end has gone, and isn't known on the connecting side before the listener has accepted, it is asked again after
// the hello (Meeting::vouch_again). Beyond the loopback nobody vouches for anybody: listening and connecting there need
// allow=anyone, written out. A name is looked up once, by listen or connect, before anything else (os/tcp_address.hpp says how
// long that takes).
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "links/mechanism.hpp"
#include "os/identity.hpp"
#include "os/socket_owner.hpp"
#include "os/tcp_address.hpp"
#include "os/tcp_socket.hpp"

namespace sluice::inline v0::mechanism {
namespace {

using std::chrono::seconds;

// ---- the place -----------------------------------------------------------------------------------------------------------

// keepalive=SECONDS, the only option.
Result<seconds> keepalive_of(const links::Place& place) {
  for (std::size_t which = 0; which < place.options.size(); ++which) {
    const std::string& text = place.options[which].second;
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_number = error == std::errc{} && end == text.data() + text.size();
    if (!is_number || value < 1 || seconds{value} > os::kLongestKeepalive) {
      return Error{Errc::invalid_endpoint, Step::check_options, 0, static_cast<std::int64_t>(which), 0};
    }
    return seconds{value};
  }
  return seconds{0};
}

struct Target {
  std::vector<os::TcpAddress> addresses;  // at least one
  seconds keepalive{0};
};

// Where to listen or connect. Of a name that stands for several addresses, those where nobody vouches are left out.
Result<Target> target_of(const links::Place& place, Step step) {
  const auto keepalive = keepalive_of(place);
  if (!keepalive) return keepalive.error();
  const auto where = os::parse_host_and_port(place.where);
  if (!where || (where->port == 0 && step == Step::connect)) return Error{Errc::invalid_endpoint, step, 0, 0, 0};
  auto addresses = os::find_addresses(*where, step);
  if (!addresses) return addresses.error();
  if (place.allow == Allow::same_user) {
    std::erase_if(*addresses, [](const auto& address) { return !os::is_loopback(address); });
    if (addresses->empty()) return Error{Errc::access_denied, Step::identify_peer, 0, 0, 0};
  }
  return Target{*std::move(addresses), *keepalive};
}

// ---- who is there --------------------------------------------------------------------------------------------------------

bool is_on_this_machine(const os::TcpEnds& ends) { return os::is_loopback(ends.ours) || os::is_loopback(ends.theirs); }

// The peer as the kernel sees it now. Where anyone may come, what it doesn't tell is left empty.
Result<Peer> look_at_peer(const os::TcpEnds& ends, Allow allow) {
  auto peer = os::connected_peer(ends.theirs, ends.ours);
  if (!peer && allow == Allow::anyone) return Peer{};
  if (!peer) return peer;
  if (const auto vouched = os::vouch_for(*peer, allow); !vouched) return vouched.error();
  return peer;
}

// Whether the kernel finds a socket that is certainly there: one without sock_diag(7) for TCP answers as if there were none.
Result<void> check_that_owners_are_told(const os::TcpAddress& at, const os::TcpAddress& to) {
  if (!os::are_owners_told()) return {};
  const auto owner = os::owner_of(at, to);
  if (!owner) return owner.error();
  if (!*owner) return Error{Errc::not_supported, Step::identify_peer, 0, 0, 0};
  return {};
}

bool is_shortage(const Error& error) { return error.code == Errc::limit_reached || error.code == Errc::out_of_memory; }

// What the system says of the peer before it has said anything. `may_be_unknown`: the listener has not accepted yet, or has
// refused and gone, which its first words will tell.
Result<Peer> look_first(const links::Descriptor& socket, const os::TcpEnds& ends, Allow allow, bool may_be_unknown) {
  auto peer = look_at_peer(ends, allow);
  if (peer || (peer.error().code != Errc::would_block && peer.error().code != Errc::peer_died)) return peer;
  if (const auto told = check_that_owners_are_told(ends.ours, ends.theirs); !told && os::is_established(socket)) {
    return told.error();
  }
  return may_be_unknown ? Result<Peer>{Peer{}} : Error{Errc::peer_died, Step::identify_peer, 0, 0, 0};
}

// … and later. would_block: as long as this end knows of no end, who isn't found may just not have been accepted (the backlog
// of the listener is full).
Result<Peer> look_again(const os::TcpEnds& ends, Allow allow) {
  auto peer = look_at_peer(ends, allow);
  if (peer || peer.error().code != Errc::peer_died) return peer;
  const auto ours = os::owner_of(ends.ours, ends.theirs);
  const bool goes_on = ours && *ours && (*ours)->is_connected;
  return goes_on ? Error{Errc::would_block, Step::identify_peer, 0, 0, 0} : peer;
}

// A connection at which nobody has spoken yet. What is wrong with it is the peer's business (`vouched`), but for a shortage of
// this process.
Result<links::Meeting> meet(links::Descriptor socket, Allow allow, seconds keepalive, bool may_be_unknown) {
  links::Meeting meeting;
  const auto ends = os::ends_of(socket);
  if (!ends) {
    meeting.vouched = ends.error();  // gone again
  } else if (is_on_this_machine(*ends) && !os::are_owners_told()) {
    // The own machine is as far as it can be narrowed down here; peer() says nothing.
  } else if (is_on_this_machine(*ends)) {
    const auto peer = look_first(socket, *ends, allow, may_be_unknown);
    if (!peer && is_shortage(peer.error())) return peer.error();
    if (peer) meeting.peer = *peer;
    if (!peer) meeting.vouched = peer.error();
    meeting.vouch_again = [ends = *ends, allow] { return look_again(ends, allow); };
  } else if (allow != Allow::anyone) {
    meeting.vouched = Error{Errc::access_denied, Step::identify_peer, 0, 0, 0};
  }
  if (const auto prepared = os::prepare_connected(socket, keepalive); !prepared && meeting.vouched) {
    meeting.vouched = prepared.error();
  }
  auto tether = os::tether_to_tcp(socket);
  if (!tether) return tether.error();
  meeting.tether = *std::move(tether);
  auto link = os::make_tcp_link(std::move(socket));
  if (!link) return link.error();
  meeting.link = *std::move(link);
  return meeting;
}

// ---- meeting -------------------------------------------------------------------------------------------------------------

class TcpAcceptor final : public links::Acceptor {
 public:
  using Accept = Result<links::Descriptor> (*)(const os::AwaitedSocket&) noexcept;

  TcpAcceptor(os::AwaitedSocket socket, std::string where, Allow allow, seconds keepalive, Accept how) noexcept
      : socket_(std::move(socket)), where_(std::move(where)), allow_(allow), keepalive_(keepalive), accept_(how) {}

  Result<links::Meeting> accept() override {
    auto socket = accept_(socket_);
    if (!socket) return socket.error();
    return meet(*std::move(socket), allow_, keepalive_, false);
  }
  [[nodiscard]] links::Waitable waitable() const override { return socket_.waitable(); }
  [[nodiscard]] std::string where() const override { return where_; }

 private:
  os::AwaitedSocket socket_;
  std::string where_;
  Allow allow_;
  seconds keepalive_;
  Accept accept_;
};

class TcpDialer final : public links::Dialer {
 public:
  TcpDialer(Target target, Allow allow) noexcept : target_(std::move(target)), allow_(allow) {}

  // One address after the other; what the last one says stays.
  Result<links::Meeting> connect() override {
    while (true) {
      Result<void> connected;
      if (!socket_) {
        auto started = os::start_connecting(target_.addresses[next_]);
        if (started) {
          socket_ = *std::move(started);
        } else {
          connected = started.error();
        }
      }
      if (connected) connected = os::finish_connecting(socket_);
      if (connected) return meet(std::exchange(socket_, {}).socket, allow_, target_.keepalive, true);
      if (connected.error().code == Errc::would_block) return connected.error();
      socket_ = {};
      next_ = (next_ + 1) % target_.addresses.size();
      if (next_ == 0) return connected.error();
    }
  }
  [[nodiscard]] links::Waitable waitable() const override { return socket_.waitable(); }

 private:
  Target target_;
  Allow allow_;
  std::size_t next_{0};
  os::AwaitedSocket socket_;  // on its way to the next address
};

class Tcp final : public links::Mechanism {
 public:
  // At the first address where that can be.
  [[nodiscard]] Result<std::unique_ptr<links::Acceptor>> listen(const links::Place& place) const override {
    const auto target = target_of(place, Step::listen);
    if (!target) return target.error();
    Result<os::AwaitedSocket> socket = Error{Errc::invalid_endpoint, Step::listen, 0, 0, 0};
    for (const auto& address : target->addresses) {
      socket = os::listen_at(address);
      if (socket) break;
    }
    if (!socket) return socket.error();
    const auto own = os::own_address(socket->socket);
    if (!own) return own.error();
    if (place.allow == Allow::same_user) {
      // Rather now than to refuse everybody who comes.
      if (auto told = check_that_owners_are_told(*own, os::nobody(*own)); !told) return told.error();
    }
    return std::unique_ptr<links::Acceptor>(
        std::make_unique<TcpAcceptor>(*std::move(socket), os::to_text(*own), place.allow, target->keepalive, os::accept_at));
  }

  [[nodiscard]] Result<std::unique_ptr<links::Dialer>> dial(const links::Place& place) const override {
    auto target = target_of(place, Step::connect);
    if (!target) return target.error();
    return std::unique_ptr<links::Dialer>(std::make_unique<TcpDialer>(*std::move(target), place.allow));
  }

  // No ends that are made together. What was handed over says itself where it leads; a place is not needed.
  [[nodiscard]] Result<links::Meeting> take_end(std::vector<links::Descriptor> handles,
                                                const links::Place& place) const override {
    const auto keepalive = keepalive_of(place);
    if (!keepalive) return keepalive.error();
    if (handles.size() != 1) return Error{Errc::misuse, Step::adopt, 0, 0, 0};
    if (auto adopted = os::adopt_tcp_connection(handles[0]); !adopted) return adopted.error();
    return meet(std::move(handles[0]), place.allow, *keepalive, true);
  }

  [[nodiscard]] Result<std::unique_ptr<links::Acceptor>> adopt_listening(links::Descriptor listening,
                                                                         const links::Place& place) const override {
    const auto keepalive = keepalive_of(place);
    if (!keepalive) return keepalive.error();
    auto adopted = os::adopt_tcp_listener(std::move(listening));
    if (!adopted) return adopted.error();
    const auto own = os::own_address(adopted->socket);
    if (!own) return own.error();
    if (place.allow == Allow::same_user && !os::is_loopback(*own)) {
      return Error{Errc::access_denied, Step::identify_peer, 0, 0, 0};
    }
    return std::unique_ptr<links::Acceptor>(
        std::make_unique<TcpAcceptor>(*std::move(adopted), os::to_text(*own), place.allow, *keepalive, os::accept_at_shared));
  }

  [[nodiscard]] std::string probe_where(std::string_view) const override { return "127.0.0.1:0"; }
};

}  // namespace

const links::Mechanism& tcp_mechanism() {
  static const Tcp mechanism;
  return mechanism;
}

}  // namespace sluice::inline v0::mechanism
