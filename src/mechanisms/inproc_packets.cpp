#include "mechanisms/inproc_packets.hpp"

#include <algorithm>

#include "mechanisms/inproc_birthplace.hpp"
#include "mechanisms/inproc_outbox.hpp"

namespace sluice::inline v0::mechanism::inproc {

// ---- PacketPipe ----------------------------------------------------------------------------------------------------------

Result<std::shared_ptr<PacketPipe>> PacketPipe::create(std::size_t depth) {
  auto readable = os::Gate::create(os::Gate::Ready::for_reading, false);
  if (!readable) return readable.error();
  auto writable = os::Gate::create(os::Gate::Ready::for_writing, true);
  if (!writable) return writable.error();
  return std::shared_ptr<PacketPipe>(new PacketPipe(depth, *std::move(readable), *std::move(writable)));
}

Result<void> PacketPipe::use_courier() {
  has_courier_ = true;
  return start_thread([self = shared_from_this()] { self->run_courier(); });
}

// Called under the lock: everything that travels arrives, and the gates open for what is there now.
void PacketPipe::hand_over() {
  for (auto& packet : travelling_) arrived_.push_back(std::move(packet));
  travelling_.clear();
  end_arrived_ = sender_gone_;
  readable_.set(!arrived_.empty() || end_arrived_);
  writable_.set(!is_full() || receiver_gone_);
}

// Called under the lock after each change. With a courier the gates are only closed here: all good news come from its thread.
void PacketPipe::changed() {
  room_.notify_one();
  if (!has_courier_) return hand_over();
  if (arrived_.empty() && !end_arrived_) readable_.set(false);
  if (is_full() && !receiver_gone_) writable_.set(false);
  is_touched_ = true;
  touched_.notify_one();
}

void PacketPipe::run_courier() {
  std::unique_lock lock(mutex_);
  do {
    touched_.wait(lock, [this] { return is_touched_; });
    is_touched_ = false;
    hand_over();
  } while (!end_arrived_ && !receiver_gone_);
}

Result<std::size_t> PacketPipe::room() const {
  const std::lock_guard lock(mutex_);
  if (receiver_gone_) return Errc::peer_died;
  if (is_full()) return Errc::would_block;
  return depth_ - travelling_.size() - arrived_.size();
}

void PacketPipe::push(links::Buffer packet) {
  travelling_.push_back(std::move(packet));
  changed();
}

void PacketPipe::put(links::Buffer packet) {
  const std::lock_guard lock(mutex_);
  if (!receiver_gone_) push(std::move(packet));
}

bool PacketPipe::put_waiting(links::Buffer packet) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [this] { return receiver_gone_ || !is_full(); });
  if (receiver_gone_) return false;
  push(std::move(packet));
  return true;
}

Result<std::size_t> PacketPipe::take(std::span<links::Packet> packets) {
  const std::lock_guard lock(mutex_);
  if (arrived_.empty()) {
    if (end_arrived_) return std::size_t{0};
    return Errc::would_block;
  }
  const std::size_t count = std::min(packets.size(), arrived_.size());
  for (auto& packet : packets.first(count)) {
    packet.bytes = std::move(arrived_.front());
    packet.handles.clear();
    arrived_.pop_front();
  }
  changed();
  return count;
}

void PacketPipe::end_sending() noexcept {
  const std::lock_guard lock(mutex_);
  sender_gone_ = true;
  changed();
}

void PacketPipe::end_receiving() noexcept {
  const std::lock_guard lock(mutex_);
  receiver_gone_ = true;
  travelling_.clear();
  arrived_.clear();
  changed();
}

bool PacketPipe::is_receiver_gone() const noexcept {
  const std::lock_guard lock(mutex_);
  return receiver_gone_;
}

// ---- the link ------------------------------------------------------------------------------------------------------------

namespace {

constexpr unsigned kUnknownEvery = 3;  // with Sending::unknown each third packet is repeated

class InprocPackets final : public links::PacketLink {
 public:
  InprocPackets(std::shared_ptr<PacketPipe> in, std::shared_ptr<PacketPipe> out, const Variant& variant) noexcept
      : in_(std::move(in)), out_(std::move(out)), max_packet_(variant.packet), sending_(variant.sending) {}

  ~InprocPackets() override {
    if (!birthplace_.is_here()) {
      abandon(in_);
      abandon(out_);
      abandon(outbox_);
      return;
    }
    in_->end_receiving();
    if (outbox_) {
      outbox_->close();  // its courier ends the sending when all is delivered
    } else {
      out_->end_sending();
    }
  }

  // Once, before the link is used.
  Result<void> use_outbox(std::size_t limit) {
    auto outbox = Outbox::create(
        limit, [out = out_](links::Buffer packet) { return out->put_waiting(std::move(packet)); },
        [out = out_] { out->end_sending(); });
    if (!outbox) return outbox.error();
    if (auto started = (*outbox)->start(); !started) return started;
    outbox_ = *std::move(outbox);
    return {};
  }

  [[nodiscard]] std::size_t max_packet() const override { return max_packet_; }

  Result<std::size_t> send(std::span<const links::OutgoingPacket> packets) override {
    if (outbox_ && out_->is_receiver_gone()) return Errc::peer_died;
    const auto room = outbox_ ? outbox_->room() : out_->room();
    if (!room) return room.error();
    std::size_t left = *room;
    std::size_t sent = 0;
    for (; sent < packets.size() && left != 0; ++sent) {
      auto copy = copied(packets[sent]);
      // What went before was sent: then the next call answers with the error.
      if (!copy) return sent != 0 ? Result<std::size_t>{sent} : copy.error();
      left -= send_one(*std::move(copy), packets[sent], left);
    }
    return sent;
  }

  Result<std::size_t> receive(std::span<links::Packet> packets) override { return in_->take(packets); }

  [[nodiscard]] links::Waitable incoming() const override { return in_->readable(); }
  [[nodiscard]] links::Waitable outgoing() const override { return outbox_ ? outbox_->waitable() : out_->writable(); }
  [[nodiscard]] bool pending() const override { return outbox_ && outbox_->pending(); }

 private:
  // One packet in memory of its own. misuse: it is too large; out_of_memory.
  [[nodiscard]] Result<links::Buffer> copied(const links::OutgoingPacket& packet) const {
    std::size_t size = 0;
    for (const auto part : packet.parts) size += part.size();
    if (size > max_packet_) return Error{Errc::misuse, Step::send, 0, 0, 0};
    links::Buffer copy;
    if (!copy.reserve(size)) return Errc::out_of_memory;
    for (const auto part : packet.parts) {
      if (!copy.append(part)) return Errc::out_of_memory;
    }
    return copy;
  }

  // Sends the packet, and once more where its outcome is "unknown" and there is room: how many went out.
  std::size_t send_one(links::Buffer copy, const links::OutgoingPacket& packet, std::size_t room) {
    if (outbox_) {
      outbox_->put(std::move(copy), 1);
      return 1;
    }
    out_->put(std::move(copy));
    if (sending_ != Sending::unknown || ++count_ % kUnknownEvery != 0 || room < 2) return 1;
    auto again = copied(packet);
    if (!again) return 1;
    out_->put(*std::move(again));
    return 2;
  }

  std::shared_ptr<PacketPipe> in_;
  std::shared_ptr<PacketPipe> out_;
  std::shared_ptr<Outbox> outbox_;  // null: sent straight into out_
  const std::size_t max_packet_;
  const Sending sending_;
  unsigned count_{0};  // packets sent
  Birthplace birthplace_;
};

}  // namespace

Result<std::pair<std::unique_ptr<links::PacketLink>, std::unique_ptr<links::PacketLink>>> make_packet_links(
    const Variant& variant) {
  auto there = PacketPipe::create(variant.depth);
  if (!there) return there.error();
  auto back = PacketPipe::create(variant.depth);
  if (!back) return back.error();
  // The links first: where a thread is refused, their destructors end the couriers that run already.
  auto first = std::make_unique<InprocPackets>(*back, *there, variant);
  auto second = std::make_unique<InprocPackets>(*there, *back, variant);
  if (variant.foreign_delivery) {
    for (const auto& pipe : {*there, *back}) {
      if (auto used = pipe->use_courier(); !used) return used.error();
    }
  }
  if (variant.sending == Sending::blocking) {
    for (auto* link : {first.get(), second.get()}) {
      if (auto used = link->use_outbox(variant.depth); !used) return used.error();
    }
  }
  return std::pair<std::unique_ptr<links::PacketLink>, std::unique_ptr<links::PacketLink>>{std::move(first), std::move(second)};
}

}  // namespace sluice::inline v0::mechanism::inproc
