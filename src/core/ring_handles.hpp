// The handles of messages in a ring. Memory can't carry them, so they travel beside it, on the connection on which the two ends
// have met, in a packet for each message that has some: which message of its direction it is, and how many there are. A packet
// is sent before its message's first record is published, so whoever finds the record finds the packet.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <sluice/handle.hpp>
#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/stream_link.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {

// One thread at a time may use the outgoing half (send), one the incoming half (take, discard); outgoing() and is_full() are
// for any.
class RingHandles {
 public:
  // `most`: of one message, that this end accepts; with 0 none is opened here.
  RingHandles(std::unique_ptr<links::StreamLink> connection, std::size_t most);

  // Sends those of message `number`, all or none. would_block: the connection is full, wait for outgoing() to become writable.
  // limit_reached, misuse: as StreamLink::write(); nothing has gone.
  Result<void> send(std::uint32_t number, std::span<const Handle> handles);
  // Whether the last send() was refused because the connection was full.
  [[nodiscard]] bool is_full() const noexcept { return is_full_.load(std::memory_order_relaxed); }
  // Nobody waits for that any more: the message that was refused has been given up.
  void forget_refusal() noexcept { is_full_.store(false, std::memory_order_relaxed); }
  [[nodiscard]] links::Waitable outgoing() const { return connection_->outgoing(); }

  // Those of message `number`, whose record says that it has some. protocol_error: they are not what comes next, or not there,
  // or more than this end accepts. limit_reached: they could not be opened here, and are lost.
  Result<std::vector<links::Descriptor>> take(std::uint32_t number);
  // From here on they are not opened any more: nobody will receive them.
  void discard() noexcept { discards_ = true; }

 private:
  std::unique_ptr<links::StreamLink> connection_;
  std::size_t most_;
  bool discards_{false};
  // relaxed: a thread that waits for room has set it itself, or was not refused and so doesn't wait for it
  std::atomic<bool> is_full_{false};
  bool is_cut_{false};                              // a packet went out in part
  std::vector<links::Descriptor::Native> scratch_;  // of send()
};

}  // namespace sluice::inline v0::core
