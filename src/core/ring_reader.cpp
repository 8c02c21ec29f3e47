#include "core/ring_reader.hpp"

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
  return first_number_ + stretches_.size() - 1;
}

void RingHold::pass(std::uint64_t end) {
  const std::lock_guard lock(mutex_);
  if (stretches_.empty()) {
    publish(end);
  } else if (!stretches_.back().held) {
    stretches_.back().end = end;  // one stretch for all that passes behind a held message: no memory for each
  } else {
    stretches_.push_back({end, false});
  }
}

bool RingHold::holds_messages() const noexcept {
  const std::lock_guard lock(mutex_);
  return !stretches_.empty();  // the front one is held
}

bool RingHold::admits(std::uint64_t end) const noexcept {
  const std::lock_guard lock(mutex_);
  return end - released_ <= ring_.capacity;
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
  if (end != 0) publish(end);
}

// Called under the lock, so positions only grow.
void RingHold::publish(std::uint64_t position) noexcept {
  released_ = position;
  const auto units = static_cast<std::uint32_t>(position / kUnit);
  // release: pairs with the acquire in released_units(), so that our reads of the room come before a header that gives it back
  released_units_.store(units, std::memory_order_release);
  // release: pairs with the acquire load in RingWriter::require_room(); our reads come before the producer's writes
  shared(ring_.consumer->released).store(units, std::memory_order_release);
  fault::point("after-release");
  // seq_cst fence: pairs with the one in RingWriter::announce(): either we see that the producer waits, or it sees the room.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  // relaxed: ordered by the fence
  if (shared(ring_.producer->waits).load(std::memory_order_relaxed) == 0) return;
  // relaxed: only saves rings; the producer sets it again before it sleeps again
  shared(ring_.producer->waits).store(0, std::memory_order_relaxed);
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
      handles_(handles) {}

Result<Incoming> RingReader::take() {
  // A hostile peer could write fillers and pieces for ever: after so many records the caller looks at its deadline.
  constexpr int kRecordsPerTake = 64;
  for (int record = 0; record < kRecordsPerTake; ++record) {
    const auto offset = static_cast<std::size_t>(position_ % ring_.capacity);
    // acquire: pairs with the release store in RingWriter::publish(); makes the payload and the header behind it visible.
    // Read once: the peer may change it at any time.
    const std::uint64_t packed = header_at(ring_, offset).load(std::memory_order_acquire);
    if (packed == 0) return would_block();
    const auto header = unpack(packed);
    if (!header) return protocol_error();
    const std::size_t size = kHeaderSize + aligned(header->length);
    // The record, and the header behind it, must lie in this lap.
    const bool ends_lap = header->kind == Kind::filler && header->length == 0;
    if (size > ring_.capacity - kHeaderSize - offset && !ends_lap) return protocol_error();
    const std::uint64_t next_lap = position_ - offset + ring_.capacity;
    const std::uint64_t end = ends_lap || header->home ? next_lap : position_ + size;
    if (!hold_->admits(end)) return protocol_error();
    if (header->kind == Kind::filler) {
      if (auto stepped = step_over(*header, end); !stepped) return stepped.error();
      continue;
    }
    auto incoming = take_record(*header, end);
    if (!incoming && incoming.error().code == Errc::would_block) continue;
    return incoming;
  }
  Incoming incoming;
  incoming.what = Incoming::What::more;
  return incoming;
}

// A filler: the rest of the lap, or a place that was lent to somebody who didn't use it. What lies in it is not looked at.
Result<void> RingReader::step_over(const RecordHeader& header, std::uint64_t end) {
  const bool is_at_begin_of_lap = position_ % ring_.capacity == 0;
  if (header.handles) return protocol_error();
  const bool is_broken = header.length == 0 ? is_at_begin_of_lap : header.length % kUnit != 0 || header.home;
  if (is_broken) return protocol_error();
  position_ = end;
  hold_->pass(end);
  return {};
}

// would_block: a piece was taken, its message is not complete.
Result<Incoming> RingReader::take_record(const RecordHeader& header, std::uint64_t end) {
  const Bytes payload{ring_.bytes + position_ % ring_.capacity + kHeaderSize, header.length};
  Incoming incoming;
  incoming.back = header.back;
  auto handles = take_handles(header);
  if (!handles) return handles.error();
  if (header.kind == Kind::control) {
    if (header.length > kMaxControl) return protocol_error();
    const auto control = decode_control(payload);
    if (!control || (assembly_.is_open() && ends_direction(control->word))) return protocol_error();
    incoming.what = Incoming::What::control;
    incoming.control = *control;
    position_ = end;
    hold_->pass(end);
    return incoming;
  }
  if (auto begun = assembly_.begin(header.kind, header.length); !begun) return begun.error();
  if (header.kind == Kind::data && !copies_) {
    (void)assembly_.finish();                             // nothing to assemble: the message is a view
    auto storage = std::make_unique<RingMessage>(hold_);  // before anything moves: memory may be refused
    storage->attach(*std::move(handles));
    storage->hold(end);
    position_ = end;
    ++messages_;
    incoming.what = Incoming::What::message;
    incoming.message = MessageStorage::make_message(payload, storage.release());
    return incoming;
  }
  if (!handles->empty()) assembly_.attach(*std::move(handles));
  if (!assembly_.reserve(payload.size()) || !assembly_.bytes().append(payload)) return Errc::out_of_memory;
  position_ = end;
  hold_->pass(end);
  if (!assembly_.is_last()) return would_block();
  ++messages_;
  incoming.what = Incoming::What::message;
  incoming.message = assembly_.finish();
  return incoming;
}

// Those of the message that begins with this record; none where it says none.
Result<std::vector<links::Descriptor>> RingReader::take_handles(const RecordHeader& header) {
  if (!header.handles) return std::vector<links::Descriptor>{};
  const bool is_first = (header.kind == Kind::data || header.kind == Kind::piece) && !assembly_.is_open();
  if (!is_first || handles_ == nullptr) return protocol_error();
  return handles_->take(messages_);
}

void RingReader::note_taken(std::uint32_t messages) noexcept {
  taken_ += messages;
  // release: pairs with the acquire in RingWriter::taken()
  shared(ring_.consumer->taken).store(taken_, std::memory_order_release);
  // seq_cst fence: pairs with the one in RingWriter::announce(): either we see that the producer asks, or it sees the count.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  // relaxed: ordered by the fence
  if (shared(ring_.producer->asks).load(std::memory_order_relaxed) == 0) return;
  // relaxed: only saves rings; the producer sets it again before it sleeps again
  shared(ring_.producer->asks).store(0, std::memory_order_relaxed);
  region_->ring();
}

bool RingReader::is_holding_up() const noexcept {
  // relaxed: ordered by the fence in announce(), see RingWriter::announce()
  return shared(ring_.producer->waits).load(std::memory_order_relaxed) != 0 && hold_->holds_messages();
}

void RingReader::announce() noexcept {
  // relaxed: ordered by the fence
  shared(ring_.consumer->waits).store(1, std::memory_order_relaxed);
  // seq_cst fence: pairs with the one in RingWriter::publish(): either the producer sees that we wait, or we see its header.
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace sluice::inline v0::core
