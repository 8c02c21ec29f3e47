// The one switch over the three shapes, and over streams whose framing is foreign: everything above it is written once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <variant>

#include <sluice/result.hpp>

#include "core/foreign_records.hpp"
#include "core/framing.hpp"
#include "core/packet_records.hpp"
#include "core/records.hpp"
#include "core/ring_records.hpp"
#include "core/stream_records.hpp"
#include "links/meeting.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {

// What a call waits for on a channel.
struct Wants {
  bool incoming{false};  // a record from the peer
  bool room{false};      // room for a record of ours
  bool taken{false};     // the peer's count of messages taken
  bool retry{false};     // some time: what the system has refused it doesn't tell when to try again (kRetryRefused)

  friend bool operator==(const Wants&, const Wants&) = default;
};

// A waitable and what to wait for at it.
struct WaitingPoint {
  links::Waitable waitable;
  links::Interest interest;
};

// How messages are carried, and what of them this end takes.
struct Carriage {
  std::size_t max_message{0};  // the largest that comes in
  std::size_t max_handles{0};  // the most with one message that comes in; 0: this end opens none
  bool copies{false};          // messages are never views of shared memory
  Framing framing{Framing::sluice};
};

class AnyRecords {
 public:
  // `handles`: what carries those of messages in a region; null: they have none. With a foreign framing the link is a stream.
  AnyRecords(links::AnyLink link, const Carriage& carriage, std::unique_ptr<links::StreamLink> handles = nullptr)
      : records_(make(std::move(link), carriage, std::move(handles))) {}

  Result<bool> put(OutgoingMessage& message, std::uint32_t taken) {
    return std::visit([&](auto& records) { return records.put(message, taken); }, records_);
  }
  // From the front of `messages`, which is not empty, as many as go at once: how many are put whole. The one behind these may
  // have started. An error: no further one has gone whole.
  Result<std::size_t> put_batch(std::span<OutgoingMessage> messages, std::uint32_t taken) {
    return std::visit([&](auto& records) { return records.put_batch(messages, taken); }, records_);
  }
  Result<void> put_control(const Control& control, std::uint32_t taken) {
    return std::visit([&](auto& records) { return records.put_control(control, taken); }, records_);
  }
  // `room`: see StreamRecords::take(). A ring has a way of its own (RingRecords::take_plain).
  Result<Incoming> take(std::span<std::byte> room = {}) {
    if (auto* stream = std::get_if<StreamRecords>(&records_)) return stream->take(room);
    return std::visit([](auto& records) { return records.take(); }, records_);
  }
  // See StreamRecords: a stream may take only a part of a control record.
  Result<void> move_rest() {
    return std::visit([](auto& records) { return records.move_rest(); }, records_);
  }

  // Nobody will receive what still comes: handles are not opened any more.
  void discard_handles() noexcept {
    if (auto* stream = std::get_if<StreamRecords>(&records_)) stream->discard_handles();
    if (auto* ring = std::get_if<RingRecords>(&records_)) ring->discard_handles();
  }

  // The ring, whose shared lines say what the others need control records for; or null.
  [[nodiscard]] RingRecords* ring() noexcept { return std::get_if<RingRecords>(&records_); }
  [[nodiscard]] const RingRecords* ring() const noexcept { return std::get_if<RingRecords>(&records_); }

  // Tells the peer that this end is about to sleep. After it, look again before sleeping.
  void announce(Wants wants) noexcept {
    auto* ring = std::get_if<RingRecords>(&records_);
    if (ring == nullptr) return;  // a kernel object needs no announcement
    if (wants.incoming) ring->announce_incoming();
    if (wants.room) ring->announce_room();
    if (wants.taken) ring->announce_asking();
  }

  // Whether waiting_points() for room has the connection on which a ring's handles travel among them.
  [[nodiscard]] bool waits_for_handles() const noexcept {
    const auto* ring = std::get_if<RingRecords>(&records_);
    return ring != nullptr && ring->waits_for_handles();
  }

  // What to wait for: one point, or two where the directions have descriptors of their own (the second may be empty).
  [[nodiscard]] std::array<WaitingPoint, 2> waiting_points(Wants wants) const {
    if (const auto* ring = std::get_if<RingRecords>(&records_)) {
      return {WaitingPoint{ring->bell(), {.readable = wants.incoming || wants.room || wants.taken}},
              WaitingPoint{ring->outgoing_handles(), {.writable = wants.room && ring->waits_for_handles()}}};
    }
    const auto [incoming, outgoing] = std::visit([](const auto& records) { return waitables(records); }, records_);
    if (incoming == outgoing) return {WaitingPoint{incoming, {wants.incoming, wants.room}}, {}};
    return {WaitingPoint{incoming, {.readable = wants.incoming}}, WaitingPoint{outgoing, {.writable = wants.room}}};
  }

 private:
  using Records = std::variant<StreamRecords, PacketRecords, RingRecords, ForeignRecords>;

  static Records make(links::AnyLink link, const Carriage& carriage, std::unique_ptr<links::StreamLink> handles) {
    const auto max_message = carriage.max_message;
    const auto max_handles = carriage.max_handles;
    if (is_foreign(carriage.framing)) return ForeignRecords{std::get<0>(std::move(link)), carriage.framing, max_message};
    switch (link.index()) {
      case 0:
        return StreamRecords{std::get<0>(std::move(link)), max_message, max_handles};
      case 1:
        return PacketRecords{std::get<1>(std::move(link)), max_message};
      default:
        return RingRecords{std::get<2>(std::move(link)), max_message, carriage.copies,
                           handles ? std::make_unique<RingHandles>(std::move(handles), max_handles) : nullptr};
    }
  }
  template <class Kernel>
  static std::pair<links::Waitable, links::Waitable> waitables(const Kernel& records) {
    return {records.incoming(), records.outgoing()};
  }
  static std::pair<links::Waitable, links::Waitable> waitables(const RingRecords& records) {
    return {records.bell(), records.bell()};
  }

  Records records_;
};

}  // namespace sluice::inline v0::core
