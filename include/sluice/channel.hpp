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
#include <sluice/export.hpp>
#include <sluice/handle.hpp>
#include <sluice/loan.hpp>
#include <sluice/mechanisms.hpp>
#include <sluice/message.hpp>
#include <sluice/options.hpp>
#include <sluice/result.hpp>
#include <sluice/waitable.hpp>

namespace sluice::inline v0 {

class WaitSet;

namespace core {
class Session;
class ListenerCore;
struct ApiAccess;
}  // namespace core

// Who is at the other end, as the operating system says; never what the peer claims. Empty where the system doesn't know.
// Linux: SO_PEERCRED at the time of connect() or listen() (unix(7)); over TCP on the loopback the owner of the peer's socket
// (sock_diag(7)), which tells the user and not the process; over a network nothing. Windows: over TCP on the loopback the
// process (GetExtendedTcpTable), which has to be one of the own user; nothing under Wine. After spawn() the process is the one
// that was started, as far as this end knows it: traits().identity is false, for the system doesn't say who has the other end.
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
  // How often a call slept, for want of room (send, loan, finish; and flush and close, for the peer) or of a message. Counted
  // as it falls asleep. A try is none, nor is a spin, nor a wait for the turn of Senders::many; an event loop sleeps elsewhere.
  std::uint64_t waits_sending{0};
  std::uint64_t waits_receiving{0};
  // Wake-ups that went to the peer, and those that came from it. In shared memory an end rings the other's doorbell (Linux: a
  // byte through a socketpair(2)), and only if that one has said that it is about to sleep: each ring is counted here, and
  // there each call that a ring has woken, and each ring that arm() finds. Elsewhere the system wakes whoever waits, by the
  // very call that carries the message, and tells nobody: none are sent, and received is how often what the peer sent, or the
  // room it made, has ended a wait of the above.
  std::uint64_t wake_ups_sent{0};
  std::uint64_t wake_ups_received{0};
};

// One end of a channel: messages both ways, each whole, in order, exactly once.
//
// Threads: one thread may send (send, send_many, loan, flush, finish, advance) while another receives (receive, receive_into,
// receive_many) and a third arms (arm, waitable); close(), interrupt(), ended(), traits(), peer() and statistics() may be
// called from any thread. Two threads that send, or two that receive, at the same time are misuse; only advance() then does
// nothing. With Senders::many several may send, loan included: they take turns, and a loan holds the turn from loan() to
// commit() or its end. Moving and destroying a channel must not overlap any other call.
//
// A channel belongs to the process that made it: in a forked child every call that can fail answers misuse, and the destructor
// disturbs nobody. On a channel that was moved from they answer misuse, too.
//
// Errors that every call with a deadline may give, besides those that stand with it:
//   timed_out, would_block  the deadline passed; would_block is the answer to Deadline::now()
//   closed         by the peer (its goodbye; at receive its finish, too), or this end was closed
//   peer_died      the peer ended without goodbye
//   protocol_error the peer sent what no Sluice peer sends
//   interrupted    interrupt() was called, and the call would have had to wait (not close())
//   misuse         see above
//   limit_reached  the call has to wait, and there are no descriptors left (the first wait of each side needs two, on Linux);
//                  or the system refuses what a message would take. The channel goes on. One exception: where handles that the
//                  peer has sent can't be opened here, for no descriptors are left, they are lost, and the channel has ended.
//   out_of_memory  memory was refused; where half a record may have gone or come, the channel has ended
// After close() at this end every call answers closed, whatever had ended the channel before. Otherwise, after closed,
// protocol_error, peer_died, and limit_reached and out_of_memory that have ended the channel, every further call
// of that direction repeats it. One exception: a call with Deadline::now() that learns of the peer's goodbye answers
// would_block as long as our answer to it can't be moved, because the peer's close() waits for that; ended() tells at once.
class [[nodiscard]] SLUICE_API Channel final {
 public:
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;
  // Closes without waiting: what the channel already holds still arrives, then the peer gets closed. It gets peer_died instead
  // where no goodbye could be put: an accepted message is left half-way (it doesn't arrive), or the link is full. close()
  // with a deadline waits for both, and after it there is nothing left to do here.
  ~Channel();

  // Sends one message of 0 … max_message bytes. Success means accepted: it is in the channel, and arrives if the peer lives
  // and receives. After any error nothing of it was put on the channel, unless the channel has ended with it. The bytes are
  // borrowed for the call.
  // Errors: too_large (Error::first: its size, second: what the peer accepts, or what a foreign framing can say if that is
  // less); misuse, also after finish(), and where a foreign framing can't say the message: its delimiter stands in it
  // (Error::first: where); and those of every call.
  Result<void> send(std::span<const std::byte> bytes, Deadline deadline = Deadline::never());
  // The same for a message whose bytes lie in several places.
  Result<void> send(std::initializer_list<std::span<const std::byte>> parts, Deadline deadline = Deadline::never());
  // The same with handles, where traits().handles says so (Linux: SCM_RIGHTS, unix(7)). They are borrowed, and duplicated when
  // the message is accepted: the caller keeps its own, whatever the result. They arrive exactly once, with the message, or are
  // closed with it if it is never received.
  // Errors besides: not_supported, the mechanism carries none; too_large (Step::attach; Error::first: how many, second: how
  // many the peer accepts, Options::max_handles); misuse, one isn't open; limit_reached, too many are on their way and not
  // received yet (Linux: ETOOMANYREFS, as many as RLIMIT_NOFILE; unix(7)). After any of them nothing was sent, and the channel
  // goes on.
  Result<void> send(const Outgoing& message, Deadline deadline = Deadline::never());
  // Sends several messages, in order: how many were accepted, at least one unless `messages` is empty. Waits for room for the
  // first one only, and takes as many of the others as there is room for: one call, and on shared memory one announcement, for
  // all of them. Errors: those of send(), told of the first one; if another can't be sent, the call ends before it.
  Result<std::size_t> send_many(std::span<const Outgoing> messages, Deadline deadline = Deadline::never());

  // Room for a message of `size` bytes to be written in place (Loan). Waits for room until the deadline, and reserves it.
  // Errors: too_large; misuse, also after finish() and while another loan is out; and those of every call.
  Result<Loan> loan(std::size_t size, Deadline deadline = Deadline::never());

  // The next message, which the caller owns. closed: the peer said goodbye or finished, and everything it sent has been
  // received. peer_died: the same after a death. held: nothing is there and nothing will come, for received messages that are
  // still held take the room that the sender waits for: release one (only in mechanisms whose messages are views,
  // Message::shared()). And the errors of every call.
  Result<Message> receive(Deadline deadline = Deadline::never());
  // Receives into the caller's memory, which is borrowed for the call. too_large (Error::first: its size, second: that of the
  // room): the message doesn't fit and is still there. Else as receive(), held included.
  Result<Received> receive_into(std::span<std::byte> room, Deadline deadline = Deadline::never());
  // Receives up to messages.size() messages (not 0: misuse) into `messages`, in order, releasing what was in it: how many.
  // Waits for the first one only, and takes of the others what is there. Errors as receive(), told when there is not even one.
  Result<std::size_t> receive_many(std::span<Message> messages, Deadline deadline = Deadline::never());

  // Returns when the peer has received everything that was sent. The peer answers from its own calls on the channel: a peer
  // that makes none lets this wait until the deadline. May follow finish(). Errors: those of every call; what was accepted
  // stays so. not_supported: with a foreign framing nobody answers.
  Result<void> flush(Deadline deadline = Deadline::never());

  // Ends the sending direction: the peer gets closed after the last message, and may go on sending. A second one succeeds.
  // Errors: those of every call; after timed_out, would_block, interrupted and limit_reached it is not finished.
  Result<void> finish(Deadline deadline = Deadline::never());

  // Finishes what was accepted, says goodbye, and waits until the peer has it or the deadline has passed; what still arrives
  // is discarded. From any thread: calls that wait return closed (interrupt() doesn't end this one). Whatever it returns, the
  // channel is closed (with a foreign framing it waits until the system has everything, for nobody says more); after an error,
  // whether the peer has received everything is not known: timed_out, would_block, peer_died, protocol_error, limit_reached,
  // out_of_memory. misuse: moved from, or a forked child. A second close returns at once and succeeds, even while the first
  // still runs: only the first knows how it ends.
  Result<void> close(Deadline deadline = Deadline::never());

  // Makes the call that waits now, or the next one that would wait, return interrupted: once for the sending and once for
  // the receiving side. From any thread.
  void interrupt() noexcept;

  // Moves what can be moved without waiting: the rest of an accepted message, control records; reads a bounded number of
  // messages ahead for the next receive. For event loops. A call of the sending side: while another of them runs it does
  // nothing, and a send that comes meanwhile answers misuse. What goes wrong is told by the next call.
  void advance();

  // For event loops: waits for nothing, and says whether there is something already. If not, the channel is armed: what comes
  // makes waitable() readable, level-triggered, until the next arm() finds nothing there. A wake-up may be in vain (a control
  // record came): try, and arm again. A channel that is only tried and not armed costs its peer no wake-ups. Like advance() it
  // moves the rest of accepted messages, and reads a message ahead to see that there is one. One thread at a time; others may
  // send and receive meanwhile.
  // Errors: misuse; limit_reached (the first arm() needs two descriptors, on Linux); out_of_memory. An end is `ready`; where no
  // message is wanted and 64 of them, 64 handles or 1 MiB lie unread, only that of the peer's process or connection (over tcp
  // it is known once what was sent before it fits into the system's buffers).
  Result<Readiness> arm(Want want);
  // What an event loop waits for, for reading: one descriptor for the channel's life, and the channel's own. Made when it is
  // first asked for. Errors as arm(), and closed: at this end, before it was ever asked for. Linux: an epoll(7) descriptor.
  Result<Waitable> waitable();

  // Why receiving ended (closed, peer_died, protocol_error, limit_reached, out_of_memory), or nothing: while it has not, and
  // while there are still messages to receive that were read ahead. misuse: moved from, or a forked child.
  [[nodiscard]] std::optional<Error> ended() const;

  // What this channel promises; lives as long as the channel.
  [[nodiscard]] const Traits& traits() const noexcept;
  // Who is at the other end; lives as long as the channel.
  [[nodiscard]] const Peer& peer() const noexcept;
  // A copy of the counters; also after the end.
  [[nodiscard]] Statistics statistics() const;

 private:
  friend struct core::ApiAccess;
  friend class WaitSet;
  SLUICE_LOCAL explicit Channel(std::unique_ptr<core::Session> session) noexcept;
  std::unique_ptr<core::Session> session_;
};

// Waits for peers at an endpoint. One thread at a time may accept; close(), interrupt() and endpoint() may come from any
// thread. Moving and destroying a listener must not overlap any other call. In a forked child accept() answers misuse, and
// close(), interrupt() and the destructor do nothing.
class [[nodiscard]] SLUICE_API Listener final {
 public:
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  // Closes. Clients that are not accepted yet see the end of their connection.
  ~Listener();

  // The next peer that has proved who it is and shaken hands; the caller owns the channel, which outlives the listener. All
  // half-open handshakes move side by side, each with a deadline of its own: a silent or hostile client delays nobody and is no
  // error of this call.
  // Errors: timed_out, would_block; closed; interrupted; misuse (another accept runs, moved from, a forked child);
  // limit_reached (no descriptors for another client), out_of_memory. After any but closed the listener goes on: call again.
  Result<Channel> accept(Deadline deadline = Deadline::never());

  // As Channel::arm() and waitable(): `ready` if accept() has a channel. Moves the half-open handshakes; those whose time is
  // over are dropped by the next call, for the waitable keeps no time. Comes in turn with accept(), not beside it.
  Result<Readiness> arm();
  Result<Waitable> waitable();

  // The endpoint to connect to, with what the system chose filled in. Lives as long as the listener.
  [[nodiscard]] const std::string& endpoint() const noexcept;

  // Stops listening and gives the name back; a waiting accept returns closed. A second close does nothing.
  void close();
  // Makes the accept that waits now, or the next one that would wait, return interrupted.
  void interrupt() noexcept;

 private:
  friend struct core::ApiAccess;
  friend class WaitSet;
  SLUICE_LOCAL explicit Listener(std::unique_ptr<core::ListenerCore> listener) noexcept;
  std::unique_ptr<core::ListenerCore> listener_;
};

// Starts to listen. Any thread, at any time. Errors:
//   invalid_endpoint  the text can't be read, or names no mechanism or no option that there is; the name is too long
//   misuse            an option stands in the text and in `options`, or twice; a size beyond every limit
//   not_supported     this library doesn't have the mechanism; the mechanism can't do what an option asks for
//   address_in_use    a live listener has the name, or something has that is no listener's
//   access_denied     the folder may not be written to, or what has the name is somebody else's
//   not_found         the folder isn't there
//   limit_reached     descriptors, or space in the folder
//   out_of_memory     memory was refused
SLUICE_API Result<Listener> listen(std::string_view endpoint, const Options& options = {});

// Connects to a listener, and returns when its process has answered from a running accept; the caller owns the channel. Any
// thread, at any time. Errors:
//   not_found         nobody listens there, told at once, unless Options::wait_for_listener is set
//   timed_out, would_block  the listener's process hasn't answered yet, and the attempt is given up; with
//                     wait_for_listener also: there is none yet
//   access_denied     the listener is somebody else's, or lets in nobody but its own user; or its name may not be used
//   protocol_error    what listens there is no Sluice, or speaks no version of the protocol that we do (describe() tells)
//   peer_died         the listener went away meanwhile, or dropped us (retried with wait_for_listener)
//   limit_reached     descriptors, queues or memory for the channel, here or at the listener (Error::step says what for)
//   invalid_endpoint, misuse, not_supported, out_of_memory  as listen()
SLUICE_API Result<Channel> connect(std::string_view endpoint, Deadline deadline = Deadline::never(),
                                   const Options& options = {});

// As connect(), but returns at once: what is left of connecting moves with the calls on the channel, as they wait, try
// (Deadline::now()) or arm. For event loops: arm(), and waitable() tells when to go on. Until it is connected, send, receive
// and the others answer would_block or wait; peer() is empty, and traits() are those that the mechanism promises. How it
// failed, if it does, each call says from then on with an error of connect(), and so does ended(). Errors of this call itself:
// those that are known without asking the other side: invalid_endpoint, misuse, not_supported, limit_reached, out_of_memory.
// Over tcp a name is looked up by this call itself, which waits for the name server (getaddrinfo(3)) and may answer not_found:
// where that may not be, give an address.
SLUICE_API Result<Channel> connect_later(std::string_view endpoint, const Options& options = {});

// Both ends of a channel, in one process: for threads of it, and for tests. `endpoint` is the mechanism and its options alone
// ("pipe:", "unix:"), or names a place. Any mechanism. Errors as listen() and connect().
struct Pair {
  Channel first;
  Channel second;
};
SLUICE_API Result<Pair> pair(std::string_view endpoint, const Options& options = {});

// A channel over what is connected already: a socket that systemd or another launcher handed over, one of socketpair(2), an
// accepted connection. `endpoint` says the mechanism and its options ("unix:?framing=line"). Whoever is at the other end
// adopts, too, or speaks the framing. With Sluice's own framing the hello is exchanged, until the deadline. The handle is the
// channel's, whatever this call returns. Errors as connect(), and misuse: the handle is of another kind than the mechanism's,
// or not connected.
SLUICE_API Result<Channel> adopt(Handle connected, std::string_view endpoint, Deadline deadline = Deadline::never(),
                                 const Options& options = {});
// The same for mechanisms of which an end is several handles (pipe: the one to read from, then the one to write to): those of
// child_end()'s Launch, when another process has got them as handles of a message.
SLUICE_API Result<Channel> adopt(std::span<Handle> connected, std::string_view endpoint, Deadline deadline = Deadline::never(),
                                 const Options& options = {});
// A listener over a socket that listens already (socket activation, sd_listen_fds(3)). The name stays whoever's made it.
// Errors as listen(), and misuse: it doesn't listen.
SLUICE_API Result<Listener> adopt_listener(Handle listening, std::string_view endpoint, const Options& options = {});

}  // namespace sluice::inline v0
