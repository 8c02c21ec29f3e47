#include "core/packet_records.hpp"

#include <algorithm>
#include <array>

namespace sluice::inline v0::core {
namespace {

void encode_head(std::span<std::byte, kPacketHead> head, const RecordHeader& header, std::uint32_t sequence) noexcept {
  store_little(head.data(), pack(header));
  store_little(head.data() + kHeaderSize, sequence);
}

}  // namespace

// ---- outgoing ------------------------------------------------------------------------------------------------------------

// Lists the next packets of these messages, one after the other, up to a batch.
void PacketRecords::gather_packets(std::span<const OutgoingMessage> messages, std::uint32_t back) {
  places_.clear();
  packets_.clear();
  std::array<std::size_t, kBatch + 1> begins{};
  std::size_t count = 0;
  for (std::size_t which = 0; which < messages.size() && count < kBatch; ++which) {
    const auto& message = messages[which];
    std::size_t ahead = 0;  // payload of its packets before this one
    do {
      const std::size_t rest = message.rest() - ahead;
      const std::size_t length = std::min(rest, max_payload_);
      RecordHeader header;
      header.kind = kind_of_next(!message.started() && ahead == 0, rest, max_payload_);
      header.length = static_cast<std::uint32_t>(length);
      header.back = back;
      encode_head(heads_[count], header, next_out_ + static_cast<std::uint32_t>(count));
      begins[count] = places_.size();
      parts_[count] = {which, length};
      places_.emplace_back(heads_[count]);
      message.gather(length, places_, ahead);
      ahead += length;
      ++count;
    } while (count < kBatch && ahead < message.rest());
  }
  begins[count] = places_.size();
  // places_ no longer moves: now the packets can point into it.
  for (std::size_t i = 0; i < count; ++i)
    packets_.push_back({std::span{places_}.subspan(begins[i], begins[i + 1] - begins[i])});
}

Result<bool> PacketRecords::put(OutgoingMessage& message, std::uint32_t back) {
  const auto whole = put_batch({&message, 1}, back);
  if (!whole) return whole.error();
  return *whole == 1;
}

Result<std::size_t> PacketRecords::put_batch(std::span<OutgoingMessage> messages, std::uint32_t back) {
  gather_packets(messages, back);
  const auto sent = link_->send(packets_);
  if (!sent) return sent.error();
  next_out_ += static_cast<std::uint32_t>(*sent);
  std::size_t whole = 0;
  for (const auto& part : std::span{parts_}.first(*sent)) {
    auto& message = messages[part.message];
    message.start();
    message.advance(part.length);
    if (message.rest() == 0) whole = part.message + 1;
  }
  return whole;
}

Result<void> PacketRecords::put_control(const Control& control, std::uint32_t back) {
  encode_head(heads_[0], {.length = kControlSize, .kind = Kind::control, .back = back}, next_out_);
  const auto payload = encode(control);
  const std::array<Bytes, 2> parts{Bytes{heads_[0]}, Bytes{payload}};
  const links::OutgoingPacket packet{parts};
  const auto sent = link_->send({&packet, 1});
  if (!sent) return sent.error();
  ++next_out_;
  return {};
}

// ---- incoming ------------------------------------------------------------------------------------------------------------

Result<void> PacketRecords::receive_batch() {
  received_begin_ = received_end_ = 0;
  const auto received = link_->receive(received_);
  if (!received) return received.error();
  at_end_ = *received == 0;
  received_end_ = std::min(*received, kBatch);
  return {};
}

// Takes one packet; true if it completed something.
Result<bool> PacketRecords::take_packet(const links::Packet& packet, Incoming& incoming) {
  const auto bytes = packet.bytes.bytes();
  if (bytes.size() < kPacketHead) return protocol_error();
  const auto header = unpack(load_little<std::uint64_t>(bytes.data()));
  if (!header || header->handles || header->home || header->kind == Kind::filler) return protocol_error();
  const auto payload = bytes.subspan(kPacketHead);
  if (header->length != payload.size()) return protocol_error();
  const auto ahead = static_cast<std::int32_t>(load_little<std::uint32_t>(bytes.data() + kHeaderSize) - next_in_);
  if (ahead < 0) return false;  // came before
  if (ahead > 0) return protocol_error();
  ++next_in_;
  incoming.back = header->back;
  if (header->kind == Kind::control) {
    const auto control = decode_control(payload);
    if (!control || (assembly_.is_open() && ends_direction(control->word))) return protocol_error();
    incoming.what = Incoming::What::control;
    incoming.control = *control;
    return true;
  }
  if (auto begun = assembly_.begin(header->kind, payload.size()); !begun) return begun.error();
  if (!assembly_.reserve(payload.size()) || !assembly_.bytes().append(payload)) return Errc::out_of_memory;
  if (!assembly_.is_last()) return false;
  incoming.what = Incoming::What::message;
  incoming.message = assembly_.finish();
  return true;
}

Result<Incoming> PacketRecords::take() {
  // A peer that only repeats itself must not keep this call: after so many packets the caller looks at its deadline.
  constexpr int kBatchesPerTake = 64;
  for (int batch = 0; batch < kBatchesPerTake; ++batch) {
    while (received_begin_ < received_end_) {
      const links::Packet packet = std::move(received_[received_begin_++]);
      Incoming incoming;
      const auto complete = take_packet(packet, incoming);
      if (!complete) return complete.error();
      if (*complete) return incoming;
    }
    if (at_end_) return Incoming{};
    if (auto received = receive_batch(); !received) return received.error();
  }
  Incoming incoming;
  incoming.what = Incoming::What::more;
  return incoming;
}

}  // namespace sluice::inline v0::core
