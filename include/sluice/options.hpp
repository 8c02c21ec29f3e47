// Options of listen() and connect(). What stands in the endpoint's text as well is misuse.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace sluice::inline v0 {

// Who may be at the other end.
enum class Allow : std::uint8_t {
  same_user,  // only processes of this process's user; where the system can't tell who is there (beyond the loopback of a
              // network mechanism), listen and connect answer access_denied
  anyone,     // whoever can reach the endpoint; mechanisms that meet in the lobby answer not_supported
};

// How many threads may send at the same time on one end.
enum class Senders : std::uint8_t {
  one,   // a second one at the same time is misuse
  many,  // they take turns, each waiting for its turn until its own deadline; in one process, on one end. Who waits behind a
         // loan hears of the channel's end when another call has noticed it, at the latest when the loan ends
};

struct Options {
  // The largest message that this end accepts, in bytes; default 64 MiB. In the text: max_message=128M (K, M, G: 1024^n).
  std::optional<std::size_t> max_message;
  // Room in the channel, in bytes for each direction, where the mechanism lets one choose; unix and tcp ignore it. Default: the
  // mechanism's own. In the text: capacity=8M.
  // A ring's (local, shm) is a power of two. Received messages that are held take its room. For a message to find room while
  // others are held, it takes (held + 2) x (size + 8) + 8 bytes, with sizes rounded up to 8: one is being written, and one has
  // no place where the ring begins anew. Rounded up to the next power of two: three held frames of 8 MiB want 64 MiB. Each may
  // be about half a ring at most: larger ones are copied.
  std::optional<std::size_t> capacity;
  // The most handles with one message that this end accepts, 0 … 253; default 16. Mechanisms that carry none ignore it. With 0
  // what a peer sends all the same is discarded by the system, without being opened here. In the text: max_handles=4.
  std::optional<std::size_t> max_handles;
  // Who may be at the other end; default same_user. In the text: allow=anyone.
  std::optional<Allow> allow;
  // connect() waits until its deadline for a listener to appear, instead of answering not_found at once.
  bool wait_for_listener{false};
  // Received messages always lie in memory of their own, which the peer can't write while they are judged (Message::shared() is
  // false): one copy more where they would be views of shared memory.
  bool untrusted{false};
  // How many threads may send at a time; default one. In the text: senders=many.
  std::optional<Senders> senders;
  // How long a call that has to wait tries again and again before it sleeps, at most; 0: it sleeps at once. Default: a short
  // time that adapts to what it brings, in mechanisms of the shape region only. Never on a machine with a single processor; nor
  // by default where this process may use but one. In the text: spin=50, in microseconds.
  std::optional<std::chrono::microseconds> spin;
  // Is called with one line of text, without its end, for each event of a channel or listener: connected, fell-back, refused,
  // ended … On the thread that made the call, perhaps under a lock of the library: it must not call back, and should not wait.
  // Besides, the environment variable SLUICE_TRACE=stderr, or a file's path (which is appended to), traces every channel.
  std::function<void(std::string_view line)> trace;
};

}  // namespace sluice::inline v0
