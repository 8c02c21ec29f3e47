// Channel and Listener: what connect(), accept() and listen() give.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sluice/deadline.hpp>
#include <sluice/mechanisms.hpp>
#include <sluice/message.hpp>
#include <sluice/options.hpp>
#include <sluice/result.hpp>

namespace sluice::inline v0 {

namespace core {
class Session;
class ListenerCore;
struct ApiAccess;
}  // namespace core

// Who is at the other end, as the operating system says; never what the peer claims. Empty where the system doesn't know.
// Linux: SO_PEERCRED at the time of connect() or listen() (unix(7)).
struct Peer {
  std::optional<std::int64_t> process_id;
  std::optional<std::int64_t> user_id;
};

// Counters of one end since it was connected. A message that was sent is accepted; accepted = known_taken + unknown.
struct Statistics {
  std::uint64_t messages_sent{0};      // accepted by the channel
  std::uint64_t messages_received{0};  // given to the caller
  std::uint64_t bytes_sent{0};         // payload of the above
  std::uint64_t bytes_received{0};
  std::uint64_t known_taken{0};  // sent messages that the peer is known to have received
  std::uint64_t unknown{0};      // sent messages of which that is not known (yet)
};

// One end of a channel: messages both ways, each whole, in order, exactly once.
//
// Threads: one thread may send (send, flush, finish) while another receives (receive, receive_into); close(), interrupt(),
// ended(), traits(), peer() and statistics() may be called from any thread. Two threads that send, or two that receive, at
// the same time are misuse. Moving and destroying a channel must not overlap any other call.
//
// A channel belongs to the process that made it: in a forked child every call answers misuse, and the destructor disturbs
// nobody. After closed, protocol_error or peer_died every further call of that direction repeats it.
class [[nodiscard]] Channel final {
 public:
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;
  // Closes with Deadline::now(): what the channel already holds still arrives.
  ~Channel();

  // Sends one message of 0 … max_message bytes. Success means accepted: it is in the channel, and arrives if the peer lives
  // and receives. timed_out / would_block: nothing of it was put on the channel. The bytes are not needed after the call.
  Result<void> send(std::span<const std::byte> bytes, Deadline deadline = Deadline::never());
  // The same for a message whose bytes lie in several places.
  Result<void> send(std::initializer_list<std::span<const std::byte>> parts, Deadline deadline = Deadline::never());

  // The next message. closed: the peer said goodbye or finished, and everything it sent has been received. peer_died: the
  // same after a death.
  Result<Message> receive(Deadline deadline = Deadline::never());
  // Receives into the caller's memory. too_large (Error::first: its size): the message doesn't fit and is still there.
  Result<Received> receive_into(std::span<std::byte> room, Deadline deadline = Deadline::never());

  // Returns when the peer has received everything that was sent. The peer answers from its own calls on the channel: a peer
  // that makes none lets this wait until the deadline.
  Result<void> flush(Deadline deadline = Deadline::never());

  // Ends the sending direction: the peer gets closed after the last message, and may go on sending. timed_out: not finished.
  Result<void> finish(Deadline deadline = Deadline::never());

  // Finishes what was accepted, says goodbye, and waits until the peer has it or the deadline has passed; what still arrives
  // is discarded. From any thread: waiting calls return closed. timed_out: the channel is closed, but whether the peer has
  // received everything is not known. A second close returns at once.
  Result<void> close(Deadline deadline = Deadline::never());

  // Makes the call that waits now, or the next one that would wait, return interrupted: once for the sending and once for
  // the receiving side. From any thread.
  void interrupt() noexcept;

  // Moves what can be moved without waiting: the rest of an accepted message, control records. For event loops.
  void advance();

  // Why receiving ended (closed, peer_died, protocol_error), or nothing while it has not.
  [[nodiscard]] std::optional<Error> ended() const;

  [[nodiscard]] const Traits& traits() const noexcept;
  [[nodiscard]] const Peer& peer() const noexcept;
  [[nodiscard]] Statistics statistics() const;

 private:
  friend struct core::ApiAccess;
  explicit Channel(std::unique_ptr<core::Session> session) noexcept;
  std::unique_ptr<core::Session> session_;
};

// Waits for peers at an endpoint. One thread at a time may accept; close() and interrupt() may come from any thread.
class [[nodiscard]] Listener final {
 public:
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  // Closes. Clients that are not accepted yet see the end of their connection.
  ~Listener();

  // The next peer that has proved who it is and shaken hands. All half-open handshakes move side by side, each with a
  // deadline of its own: a silent or hostile client delays nobody and is no error of this call.
  Result<Channel> accept(Deadline deadline = Deadline::never());

  // The endpoint to connect to, with what the system chose filled in.
  [[nodiscard]] const std::string& endpoint() const noexcept;

  // Stops listening and gives the name back; a waiting accept returns closed.
  void close();
  // Makes the accept that waits now, or the next one, return interrupted.
  void interrupt() noexcept;

 private:
  friend struct core::ApiAccess;
  explicit Listener(std::unique_ptr<core::ListenerCore> listener) noexcept;
  std::unique_ptr<core::ListenerCore> listener_;
};

// Starts to listen. Errors: invalid_endpoint, address_in_use, access_denied, not_supported, limit_reached, misuse.
Result<Listener> listen(std::string_view endpoint, const Options& options = {});

// Connects to a listener, and returns when its process has answered from a running accept. No listener: not_found at once,
// unless Options::wait_for_listener is set.
Result<Channel> connect(std::string_view endpoint, Deadline deadline = Deadline::never(), const Options& options = {});

}  // namespace sluice::inline v0
