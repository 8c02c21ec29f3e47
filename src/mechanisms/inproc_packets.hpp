// The inproc packet link: two queues of packets, one each way, in the memory of the process. By option a foreign thread hands
// the packets over, sends block (and go through an outbox), or end with an unknown outcome and are repeated.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include <sluice/result.hpp>

#include "links/buffer.hpp"
#include "links/packet_link.hpp"
#include "links/waiter.hpp"
#include "mechanisms/inproc_variant.hpp"
#include "os/gate.hpp"

namespace sluice::inline v0::mechanism::inproc {

// One direction: a bounded queue of packets. Any thread may call anything; one at a time sends, one at a time receives.
//
//   put() -> travelling_ -> (the courier, or put() itself) -> arrived_ -> take()
class PacketPipe : public std::enable_shared_from_this<PacketPipe> {
 public:
  // limit_reached: no descriptors.
  static Result<std::shared_ptr<PacketPipe>> create(std::size_t depth);
  // Lets a thread of the pipe's own, the courier, hand packets and the end over and open the gates from now on. Once, before
  // the first packet. The courier ends when an end is gone and nothing is left to hand over.
  Result<void> use_courier();

  // How many packets put() takes now, above 0. would_block; peer_died: the receiving end is gone.
  Result<std::size_t> room() const;
  // Puts a packet for which room() was.
  void put(links::Buffer packet);
  // The same for a thread that may wait for room; false: the receiving end is gone.
  bool put_waiting(links::Buffer packet);
  // Takes what has arrived, in order, at most packets.size(): how many. 0: the sending end is gone and everything was taken.
  Result<std::size_t> take(std::span<links::Packet> packets);

  void end_sending() noexcept;
  // What was not taken is lost.
  void end_receiving() noexcept;
  [[nodiscard]] bool is_receiver_gone() const noexcept;

  [[nodiscard]] links::Waitable readable() const noexcept { return readable_.waitable(); }
  [[nodiscard]] links::Waitable writable() const noexcept { return writable_.waitable(); }

 private:
  PacketPipe(std::size_t depth, os::Gate readable, os::Gate writable)
      : depth_(depth), readable_(std::move(readable)), writable_(std::move(writable)) {}

  [[nodiscard]] bool is_full() const noexcept { return travelling_.size() + arrived_.size() == depth_; }
  void push(links::Buffer packet);
  void hand_over();
  void changed();
  void run_courier();

  const std::size_t depth_;

  mutable std::mutex mutex_;         // everything below
  std::condition_variable room_;     // for put_waiting()
  std::condition_variable touched_;  // for the courier
  std::deque<links::Buffer> travelling_;
  std::deque<links::Buffer> arrived_;
  bool sender_gone_{false};
  bool end_arrived_{false};
  bool receiver_gone_{false};
  bool has_courier_{false};
  bool is_touched_{false};
  os::Gate readable_;  // open while something has arrived, or the end
  os::Gate writable_;  // open while there is room, or nobody receives
};

// Both ends of a packet link as the variant wants it. limit_reached: no descriptors or threads.
Result<std::pair<std::unique_ptr<links::PacketLink>, std::unique_ptr<links::PacketLink>>> make_packet_links(
    const Variant& variant);

}  // namespace sluice::inline v0::mechanism::inproc
