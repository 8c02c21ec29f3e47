// Records in packets: one record a packet, with a sequence number behind its header: one that comes twice (a link whose send
// ended "unknown" repeats it) is dropped, one that is missing is a protocol error.
//
//   0 header (8)   8 sequence number (4)   12 payload
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <sluice/result.hpp>

#include "core/record.hpp"
#include "core/records.hpp"
#include "links/packet_link.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {

inline constexpr std::size_t kPacketHead = kHeaderSize + 4;

// One thread at a time may use the outgoing half (put, put_control), one the incoming half (take).
class PacketRecords {
 public:
  PacketRecords(std::unique_ptr<links::PacketLink> link, std::size_t max_message)
      : link_(std::move(link)), max_payload_(link_->max_packet() - kPacketHead), assembly_(max_message) {}

  // As StreamRecords::put(), a batch of packets a call; a packet goes whole, so nothing is ever half begun.
  Result<bool> put(OutgoingMessage& message, std::uint32_t back);
  // The same with packets of several messages: how many of these went out whole. The one behind them may have started.
  Result<std::size_t> put_batch(std::span<OutgoingMessage> messages, std::uint32_t back);
  Result<void> put_control(const Control& control, std::uint32_t back);
  static Result<void> move_rest() noexcept { return {}; }

  Result<Incoming> take();

  [[nodiscard]] links::Waitable incoming() const { return link_->incoming(); }
  [[nodiscard]] links::Waitable outgoing() const { return link_->outgoing(); }

 private:
  static constexpr std::size_t kBatch = 16;  // packets a call: enough to spread a call's cost, small enough for the stack
  using Head = std::array<std::byte, kPacketHead>;

  // A packet of a batch: of which message, and how much of it.
  struct Part {
    std::size_t message;
    std::size_t length;
  };
  void gather_packets(std::span<const OutgoingMessage> messages, std::uint32_t back);
  Result<void> receive_batch();
  Result<bool> take_packet(const links::Packet& packet, Incoming& incoming);

  std::unique_ptr<links::PacketLink> link_;
  std::size_t max_payload_;

  // outgoing
  std::uint32_t next_out_{0};
  std::array<Head, kBatch> heads_{};
  std::array<Part, kBatch> parts_{};            // scratch: what the packets of a batch are
  std::vector<Bytes> places_;                   // scratch: the bytes of a batch, one packet after the other
  std::vector<links::OutgoingPacket> packets_;  // scratch

  // incoming
  std::uint32_t next_in_{0};
  std::array<links::Packet, kBatch> received_{};
  std::size_t received_begin_{0};
  std::size_t received_end_{0};
  Assembly assembly_;
  bool at_end_{false};
};

}  // namespace sluice::inline v0::core
