// PacketLink: a mechanism that carries packets of bounded size both ways, each whole.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <sluice/result.hpp>

#include "links/buffer.hpp"
#include "links/descriptor.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::links {

// One packet to be sent: its bytes, one part after the other. Borrowed for the call.
struct OutgoingPacket {
  std::span<const std::span<const std::byte>> parts;
};

// One received packet: it owns its memory and its handles.
struct Packet {
  Buffer bytes;
  std::vector<Descriptor> handles;
};

// Links never wait and keep no pointer to the caller's memory. One thread at a time may send while another receives.
class PacketLink {
 public:
  virtual ~PacketLink() = default;

  // The largest packet, in bytes; at least 128. Fixed for the life of the link.
  [[nodiscard]] virtual std::size_t max_packet() const = 0;

  // Sends from the front of `packets`, as many as the link takes now: how many, at least 1. would_block: none was taken, wait
  // for outgoing() to become writable. peer_died: nobody receives any more. misuse: the first is larger than max_packet().
  // Where the outcome of a send can be unknown, the link sends the packet again: the receiver drops what comes twice.
  virtual Result<std::size_t> send(std::span<const OutgoingPacket> packets) = 0;

  // Receives up to packets.size() packets: how many; 0 is the end, where the mechanism can tell (most can't: then the tether
  // tells). would_block: wait for incoming() to become readable.
  virtual Result<std::size_t> receive(std::span<Packet> packets) = 0;

  [[nodiscard]] virtual Waitable incoming() const = 0;
  [[nodiscard]] virtual Waitable outgoing() const = 0;

  // True while packets that send() has taken lie in an outbox of the link's own. outgoing() is writable once it is empty.
  [[nodiscard]] virtual bool pending() const { return false; }
};

}  // namespace sluice::inline v0::links
