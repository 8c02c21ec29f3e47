// What everything that is a socket does alike: gathering and scattering, sending and receiving without waiting, accepting.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <span>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::os {

inline constexpr std::size_t kParts = 64;  // a call; well below IOV_MAX (1024, readv(2)), 1 KiB of stack

using Parts = std::array<iovec, kParts>;

// The first parts that are not empty, as the system wants them: how many.
template <class Span>
[[nodiscard]] std::size_t collect(std::span<const Span> spans, Parts& parts) noexcept {
  std::size_t count = 0;
  for (const auto& span : spans) {
    if (span.empty()) continue;
    if (count == parts.size()) break;
    // sendmsg doesn't write there, but iovec serves both directions.
    parts[count++] = {const_cast<std::byte*>(static_cast<const std::byte*>(span.data())), span.size()};
  }
  return count;
}

// Whether a connection ended by a reset. The system tells that once (SO_ERROR, socket(7)), to the call that reads or to the one
// that writes, which may be on two threads: either notes it here.
class ResetMark {
 public:
  // relaxed, both: a mark and nothing more. Whoever asks has read the end of the stream, and the system ordered that behind the
  // call that was told of the reset; one that is told at the very same moment may be missed.
  void set() noexcept { was_reset_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool is_set() const noexcept { return was_reset_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> was_reset_{false};
};

// As StreamLink::write: the bytes that the system took. Raises no SIGPIPE.
[[nodiscard]] Result<std::size_t> send_now(const links::Descriptor& socket, const msghdr& message, ResetMark& reset) noexcept;

// As StreamLink::read: the bytes that came, 0 at the end of the stream, also where that is a reset, or a connection that the
// system has given up: what had arrived before was read first. Then there is no control message either.
[[nodiscard]] Result<std::size_t> receive_now(const links::Descriptor& socket, msghdr& message, ResetMark& reset) noexcept;

// As StreamLink::finish_writing.
[[nodiscard]] Result<void> finish_writing_now(const links::Descriptor& socket) noexcept;

// The next connection of a listening socket, close-on-exec. would_block: none is waiting. A client that has gone again is
// passed over. limit_reached: no descriptors or memory left.
[[nodiscard]] Result<links::Descriptor> accept_connection(const links::Descriptor& listening) noexcept;

}  // namespace sluice::inline v0::os
