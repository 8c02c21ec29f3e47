// StreamLink: a mechanism that carries bytes both ways, in order, and tells of their end.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::links {

// The most handles that travel with one write, over any mechanism: what one sendmsg(2) takes on Linux (unix(7), SCM_RIGHTS).
inline constexpr std::size_t kMostHandles = 253;

// Links never wait: they do what can be done now, or answer would_block. They keep no pointer to the caller's memory after
// a call has returned. One thread at a time may write while another reads.
class StreamLink {
 public:
  virtual ~StreamLink() = default;

  // Writes from the front of `buffers`, as much as the link takes now: the number of bytes, at least 1 unless all buffers
  // are empty. would_block: no byte was taken, wait for outgoing() to become writable. peer_died: nobody reads any more
  // (EPIPE, ECONNRESET). Never raises SIGPIPE. `handles` travel with the first byte: all of them or none, and the caller
  // keeps its own; not_supported where carries_handles() is false and `handles` isn't empty.
  virtual Result<std::size_t> write(std::span<const std::span<const std::byte>> buffers,
                                    std::span<const Descriptor::Native> handles) = 0;
  Result<std::size_t> write(std::span<const std::span<const std::byte>> buffers) { return write(buffers, {}); }

  // Reads into the front of `rooms`, as much as is there: the number of bytes; 0 is the end of the stream (also after a
  // reset by the peer's death: what had arrived was read first). would_block: wait for incoming() to become readable.
  // Handles that came along are appended to `handles`; with a null pointer they are discarded without being opened. They came
  // with one of the bytes that were read, and with one write: a read ends before the first byte of the next write that has
  // some. Where this process can't open them all (no descriptors left), an empty Descriptor is appended instead.
  // protocol_error: they are more than accept_handles() said; they are closed, and the bytes are lost.
  virtual Result<std::size_t> read(std::span<const std::span<std::byte>> rooms, std::vector<Descriptor>* handles) = 0;
  Result<std::size_t> read(std::span<const std::span<std::byte>> rooms) { return read(rooms, nullptr); }

  // Ends the writing direction, once, after all that was written: the peer's read() gives 0 behind it. Reading goes on. Only
  // foreign framings need it: Sluice's own says so in a record. not_supported: this link can't.
  virtual Result<void> finish_writing() { return Error{Errc::not_supported, Step::finish, 0, 0, 0}; }
  // Whether the end of the stream was a reset: the peer dropped the connection, or the system has given it up. Asked after
  // read() has given 0.
  [[nodiscard]] virtual bool was_reset() const { return false; }

  // What to wait for: incoming() for reading, outgoing() for writing. Often the same.
  [[nodiscard]] virtual Waitable incoming() const = 0;
  [[nodiscard]] virtual Waitable outgoing() const = 0;

  [[nodiscard]] virtual bool carries_handles() const { return false; }
  // The most handles that a read takes from here on, at most kMostHandles; before that, it takes twice what an Offer holds.
  virtual void accept_handles(std::size_t) {}

  // True while bytes that write() has taken lie in an outbox of the link's own, on their way to the system. outgoing() is
  // writable once the outbox is empty.
  [[nodiscard]] virtual bool pending() const { return false; }
};

}  // namespace sluice::inline v0::links
