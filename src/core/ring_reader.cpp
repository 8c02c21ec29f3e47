#include "core/ring_reader.hpp"

#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "core/message_storage.hpp"
#include "links/fault.hpp"
#include "links/system.hpp"

namespace sluice::inline v0::core {
namespace {

// A message that lies in the ring.
class RingMessage final : public MessageStorage {
 public:
  explicit RingMessage(std::shared_ptr<RingHold> hold) noexcept : hold_(std::move(hold)) {}
  ~RingMessage() override {
    if (number_) hold_->let_go(*number_);
  }
  void hold(std::uint64_t end) { number_ = hold_->hold(end); }
  [[nodiscard]] bool shared_with_peer() const noexcept override { return true; }

 private:
  std::shared_ptr<RingHold> hold_;
  std::optional<std::uint64_t> number_;  // of its stretch
};

}  // namespace

// ---- RingHold ------------------------------------------------------------------------------------------------------------

RingHold::RingHold(std::shared_ptr<links::RegionLink> region, const RingView& ring) noexcept
    : region_(std::move(region)), ring_(ring), generation_(links::process_generation()) {}

std::uint64_t RingHold::hold(std::uint64_t end) {
  const std::lock_guard lock(mutex_);
  stretches_.push_back({end, true});
  is_holding_.store(true, std::memory_order_release);
  return first_number_ + stretches_.size() - 1;
}

bool RingHold::pass(std::uint64_t end) {
  if (!is_holding_.load(std::memory_order_acquire)) {
    give_back(end);
    return true;
  }
  const std::lock_guard lock(mutex_);
  if (stretches_.empty()) {
    give_back(end);
    return true;
  }
  if (!stretches_.back().held) {
    stretches_.back().end = end;  // one stretch for all that passes behind a held message: no memory for each
  } else {
    stretches_.push_back({end, false});
  }
  return false;
}

bool RingHold::holds_messages() const noexcept { return is_holding_.load(std::memory_order_acquire); }

bool RingHold::admits(std::uint64_t end) const noexcept {
  return end - released_.load(std::memory_order_relaxed) <= ring_.capacity;  // relaxed: see its declaration
}

void RingHold::let_go(std::uint64_t number) noexcept {
  // In a forked child the ring belongs to the parent; its lock may even be held by a thread that isn't here.
  if (links::process_generation() != generation_) return;
  const std::lock_guard lock(mutex_);
  stretches_[static_cast<std::size_t>(number - first_number_)].held = false;
  release_front();
}

void RingHold::release_front() noexcept {
  std::uint64_t end = 0;
  while (!stretches_.empty() && !stretches_.front().held) {
    end = stretches_.front().end;
    stretches_.pop_front();
    ++first_number_;
  }
  if (end == 0) return;
  give_back(end);
  if (stretches_.empty()) is_holding_.store(false, std::memory_order_release);
  // seq_cst fence: pairs with the one in RingWriter::announce_room(): either we see that the producer waits, or it sees the
  // room.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  ring_waiting_producer();
}

// One call at a time, so positions only grow: under the lock, or by the reader while no message is held.
void RingHold::give_back(std::uint64_t position) noexcept {
  released_.store(position, std::memory_order_relaxed);  // relaxed: see its declaration
  const auto units = static_cast<std::uint32_t>(position / kUnit);
  // release: pairs with the acquire in released_units(), so that our reads of the room come before a header that gives it back
  released_units_.store(units, std::memory_order_release);
  // release: pairs with the acquire load in RingWriter::require_room(); our reads come before the producer's writes
  shared(ring_.consumer->released).store(units, std::memory_order_release);
  fault::point("after-release");
}

void RingHold::ring_waiting_producer() noexcept {
  // relaxed: ordered by the fence
  if (shared(ring_.producer_bell->waits).load(std::memory_order_relaxed) == 0) return;
  // relaxed: only saves rings; the producer sets it again before it sleeps again
  shared(ring_.producer_bell->waits).store(0, std::memory_order_relaxed);
  region_->ring();
}

// ---- RingReader ----------------------------------------------------------------------------------------------------------

RingReader::RingReader(std::shared_ptr<links::RegionLink> region, unsigned ring, std::size_t max_message, RingHandles* handles,
                       bool copies)
    : region_(std::move(region)),
      ring_(ring_of(region_->memory(), ring)),
      hold_(std::make_shared<RingHold>(region_, ring_)),
      copies_(copies),
      assembly_(max_message),
      next_(Spot::in_ring(ring_.bytes)),
      handles_(handles) {}

Result<Incoming> RingReader::take() {
  // A hostile peer could write fillers and pieces for ever: after so many records the caller looks at its deadline.
  constexpr int kRecordsPerTake = 64;
  for (int record = 0; record < kRecordsPerTake; ++record) {
    auto found = find();
    if (!found) return found.error();
    if (found->header.kind == Kind::filler) {
      if (auto stepped = step_over(*found); !stepped) return stepped.error();
      continue;
    }
    auto incoming = take_record(*found);
    if (!incoming && incoming.error().code == Errc::would_block) continue;
    return incoming;
  }
  Incoming incoming;
  incoming.what = Incoming::What::more;
  return incoming;
}

std::optional<RingReader::Plain> RingReader::take_plain(std::span<std::byte> room) {
  const Spot spot = next();
  // acquire: as in find(). Read once.
  const std::uint64_t packed = header_at(spot.place()).load(std::memory_order_acquire);
  if (!spot.is_header(packed)) return std::nullopt;
  const auto header = unpack(packed ^ spot.turn());
  if (!header || header->kind != Kind::data || header->handles) return std::nullopt;
  const std::size_t size = header->length;
  if (size > room.size() || !assembly_.admits_whole(size)) return std::nullopt;
  const auto end = end_of(*header, spot);
  if (!end) return std::nullopt;
  if (size != 0) std::memcpy(room.data(), spot.place() + kHeaderSize, size);
  move_behind(*header, *end);
  gave_back_ = hold_->pass(*end);  // note_taken() follows, and one fence does for both
  ++messages_;
  return Plain{size, header->back};
}

// The record at this end's position, if it is there and may be.
Result<RingReader::Found> RingReader::find() const {
  const Spot spot = next();
  // acquire: pairs with the release store in RingWriter::publish(); makes the payload and the header behind it visible.
  // Read once: the peer may change it at any time.
  const std::uint64_t packed = header_at(spot.place()).load(std::memory_order_acquire);
  if (!spot.is_header(packed)) return would_block();
  const auto header = unpack(packed ^ spot.turn());
  if (!header) return protocol_error();
  const auto end = end_of(*header, spot);
  if (!end) return protocol_error();
  return Found{*header, {spot.place() + kHeaderSize, header->length}, *end};
}

// The position behind such a record, if it may be here: it, and the header behind it, must lie in this lap, or in the slot.
std::optional<std::uint64_t> RingReader::end_of(const RecordHeader& header, Spot spot) const noexcept {
  const std::size_t size = kHeaderSize + aligned(header.length);
  std::uint64_t end = position_ + (spot.is_home() ? kHomeStep : size);
  if (header.kind == Kind::filler && header.length == 0) {
    end = spot.is_home() ? position_ : position_ - offset() + ring_.capacity;
  } else if (offset() + (end - position_) > ring_.capacity - kHeaderSize || (spot.is_home() && size > kHomeSize)) {
    return std::nullopt;
  }
  return hold_->admits(end) ? std::optional{end} : std::nullopt;
}

// It has been taken: where the next one is.
void RingReader::move_behind(const RecordHeader& header, std::uint64_t end) noexcept {
  position_ = end;
  // relaxed: a hint for others
  next_.store(header.home ? Spot::at_home(ring_, homes_used_++) : Spot::in_ring(ring_.bytes + offset()),
              std::memory_order_relaxed);
}

// … and nobody holds it.
void RingReader::pass(const Found& found) {
  move_behind(found.header, found.end);
  if (!hold_->pass(found.end)) return;
  // seq_cst fence: pairs with the one in RingWriter::announce_room(): either we see that the producer waits, or it sees the
  // room.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  hold_->ring_waiting_producer();
}

// A filler: the rest of the lap; or a place that was lent to somebody who didn't use it, and what lies in it is not looked at;
// or, in a home slot, nothing but the word that the next record is in the ring.
Result<void> RingReader::step_over(const Found& filler) {
  const auto& header = filler.header;
  if (header.handles || header.home || header.length % kUnit != 0) return protocol_error();
  const bool is_home = next().is_home();
  if (is_home ? header.length != 0 : header.length == 0 && offset() == 0) return protocol_error();
  if (is_home) {
    move_behind(header, filler.end);  // it takes nothing of the ring
  } else {
    pass(filler);
  }
  return {};
}

// would_block: a piece was taken, its message is not complete.
Result<Incoming> RingReader::take_record(const Found& found) {
  const auto& [header, payload, end] = found;
  Incoming incoming;
  incoming.back = header.back;
  std::vector<links::Descriptor> handles;
  if (header.handles) {
    auto taken = take_handles(header);
    if (!taken) return taken.error();
    handles = *std::move(taken);
  }
  if (header.kind == Kind::control) {
    if (header.length > kMaxControl) return protocol_error();
    const auto control = decode_control(payload);
    if (!control || (assembly_.is_open() && ends_direction(control->word))) return protocol_error();
    incoming.what = Incoming::What::control;
    incoming.control = *control;
    pass(found);
    return incoming;
  }
  if (auto begun = assembly_.begin(header.kind, header.length); !begun) return begun.error();
  if (header.kind == Kind::data && !copies_) {
    (void)assembly_.finish();                             // nothing to assemble: the message is a view
    auto storage = std::make_unique<RingMessage>(hold_);  // before anything moves: memory may be refused
    storage->attach(std::move(handles));
    storage->hold(end);
    move_behind(header, end);
    ++messages_;
    incoming.what = Incoming::What::message;
    incoming.message = MessageStorage::make_message(payload, storage.release());
    return incoming;
  }
  if (!handles.empty()) assembly_.attach(std::move(handles));
  if (!assembly_.reserve(payload.size()) || !assembly_.bytes().append(payload)) return Errc::out_of_memory;
  pass(found);
  if (!assembly_.is_last()) return would_block();
  ++messages_;
  incoming.what = Incoming::What::message;
  incoming.message = assembly_.finish();
  return incoming;
}

// Those of the message that begins with this record.
Result<std::vector<links::Descriptor>> RingReader::take_handles(const RecordHeader& header) {
  const bool is_first = (header.kind == Kind::data || header.kind == Kind::piece) && !assembly_.is_open();
  if (!is_first || handles_ == nullptr) return protocol_error();
  return handles_->take(messages_);
}

void RingReader::note_taken(std::uint32_t messages) noexcept {
  taken_ += messages;
  // release: pairs with the acquire in RingWriter::taken()
  shared(ring_.consumer->taken).store(taken_, std::memory_order_release);
  // seq_cst fence: pairs with the ones in RingWriter::announce_asking() and announce_room(): either we see that the producer
  // asks or waits, or it sees the count, and the room that was given back with the message.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (std::exchange(gave_back_, false)) hold_->ring_waiting_producer();
  // relaxed: ordered by the fence
  if (shared(ring_.producer_bell->asks).load(std::memory_order_relaxed) == 0) return;
  // relaxed: only saves rings; the producer sets it again before it sleeps again
  shared(ring_.producer_bell->asks).store(0, std::memory_order_relaxed);
  region_->ring();
}

bool RingReader::is_holding_up() const noexcept { return is_waited_for() && hold_->holds_messages(); }

void RingReader::announce() noexcept {
  // relaxed: ordered by the fence
  shared(ring_.consumer_bell->waits).store(1, std::memory_order_relaxed);
  // seq_cst fence: pairs with the one in RingWriter::publish(): either the producer sees that we wait, or we see its header.
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace sluice::inline v0::core
