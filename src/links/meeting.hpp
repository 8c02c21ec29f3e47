// How two processes meet: acceptors and dialers of a mechanism, and the meeting they give, in which the hello is exchanged.
//
//   listen  -> Acceptor -> accept()  -> Meeting  \   hello, then, for mechanisms that meet in the lobby,
//   connect -> Dialer   -> connect() -> Meeting  /   the listener makes the private link and hands it over
//
// Nothing here waits or knows of deadlines: core/ does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/packet_link.hpp"
#include "links/region_link.hpp"
#include "links/stream_link.hpp"
#include "links/tether.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::links {

// One of the three shapes. A region is shared: received messages that view it keep it alive.
using AnyLink = std::variant<std::unique_ptr<StreamLink>, std::unique_ptr<PacketLink>, std::shared_ptr<RegionLink>>;

// What the listener's side of a lobby mechanism hands to the other: numbers and handles. The connecting side must treat both
// as hostile.
struct Offer {
  std::vector<std::uint64_t> numbers;  // at most kMaxNumbers
  std::vector<Descriptor> handles;     // at most kMaxHandles

  static constexpr std::size_t kMaxNumbers = 8;
  static constexpr std::size_t kMaxHandles = 8;
};

// The private link of a mechanism that meets in the lobby: made by the listener's side after the hello, taken by the other.
class PrivateLink {
 public:
  virtual ~PrivateLink() = default;

  // Listener's side: makes the queues, FIFOs or region (`capacity`: bytes a direction, 0: the mechanism's default), and what
  // the other side needs to take it. limit_reached with Step::make_queues and the like when the system has no more.
  virtual Result<Offer> make(std::size_t capacity) = 0;

  // Connecting side: takes what was offered. protocol_error if it is not what make() offers.
  virtual Result<void> take(Offer offer) = 0;
  // … instead of take(), where the offer's handles came and could not be opened here: `why`, for those that can't do without.
  virtual Result<void> do_without(const Error& why) { return why; }

  // The link, once, after make() or take(), unless fallback() says that there is none. Names are gone by then, or are unlinked
  // when this object is destroyed.
  virtual AnyLink link() = 0;

  // For those that can do without. Why the channel stays on the connection on which the two have met, in words (static text):
  // known after make(), take(), do_without() or stay(). Empty: it doesn't, and link() is the channel's.
  [[nodiscard]] virtual std::string_view fallback() const { return {}; }
  // Connecting side, after take() or do_without(): why it has not taken what was offered, for the other side's stay(); 0: it
  // has, or nothing was offered.
  [[nodiscard]] virtual std::uint32_t refusal() const { return 0; }
  // Listener's side, after make(): the other has not taken what was offered, and says why. False: no peer says that.
  [[nodiscard]] virtual bool stay(std::uint32_t) { return false; }
};

// A connection at which nobody has spoken yet.
struct Meeting {
  Peer peer;                       // who the system says is there
  AnyLink link;                    // a stream or packets: where the hello is exchanged
  std::unique_ptr<Tether> tether;  // the peer's process, where the system has it; never null
  // Set for mechanisms that meet in the lobby: `link` (a stream that carries handles) becomes part of the tether, and the
  // channel runs over this one's link. Null: `link` is the channel's own.
  std::unique_ptr<PrivateLink> private_link;
  // With a private link that is a region: its messages' handles travel on `link`. Then `tether` tells of that connection's end,
  // for what can be read there is no sign of it any more.
  bool carries_handles{false};
  // Whether the peer is who it has to be: code access_denied if the system vouches for somebody else than `allow` lets in.
  Result<void> vouched;
  // Asks the system once more who is there, where its first word doesn't hold for good or is not there yet (a TCP connection
  // has an owner at its other end only once it is accepted, and another one may come to have that end's address): the peer
  // as it is now. access_denied: as for `vouched`; peer_died: nobody is there any more; would_block: nobody has
  // accepted, or nobody is there any more. To be called when the peer has said something, which tells these two apart. Null:
  // `peer` and `vouched` hold for good.
  std::function<Result<Peer>()> vouch_again;
  bool one_process{false};  // both ends are in this process
};

// Two ends that were made together. Ours plays the listener's part in the handshake. Neither says who is at the other end:
// nobody knows yet who will have it.
struct Ends {
  Meeting ours;
  std::vector<Descriptor> theirs;  // what Mechanism::take_end() wants, here or in another process; at most Offer::kMaxHandles
};

// Where to meet: the endpoint's text behind the colon, decoded, and the options that the mechanism's row of the table names.
struct Place {
  std::string where;
  std::vector<std::pair<std::string, std::string>> options;
  Allow allow{Allow::same_user};
};

class Acceptor {
 public:
  virtual ~Acceptor() = default;

  // The next connection. would_block: none, wait for waitable(). Any other error is the listener's own (limit_reached, when
  // descriptors have run out); a client that vanished meanwhile is none.
  virtual Result<Meeting> accept() = 0;
  [[nodiscard]] virtual Waitable waitable() const = 0;
  // What stands behind the colon for those who connect (with the real port).
  [[nodiscard]] virtual std::string where() const = 0;
};

class Dialer {
 public:
  virtual ~Dialer() = default;

  // Tries to connect. would_block: wait for waitable() to become writable, or, where that is none, try again after a while.
  // not_found: nobody listens there (trying again is right for those who want to wait for a listener).
  virtual Result<Meeting> connect() = 0;
  [[nodiscard]] virtual Waitable waitable() const = 0;
};

}  // namespace sluice::inline v0::links
