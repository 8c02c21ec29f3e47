#include "core/ring_writer.hpp"

#include <algorithm>
#include <cstring>

#include "links/fault.hpp"

namespace sluice::inline v0::core {
namespace {

// What messages leave free for control records, so that finish, goodbye and its answer always fit: three times a control
// record with a filler and the header behind it.
constexpr std::size_t kKeptFree = 256;

// What a header can say of a length, in whole units.
constexpr std::size_t kLongest = kLengthMask & ~(kUnit - 1);

}  // namespace

// A message up to here lies whole in the ring, so that its receiver can view it in place; two of them fit.
std::size_t RingWriter::whole_limit() const noexcept { return std::min(lap_ / 2 - kKeptFree - kHeaderSize, kLongest); }

// Larger ones flow through in pieces of this size, so that both sides work at the same time.
std::size_t RingWriter::piece_limit() const noexcept { return std::min(lap_ / 8, kLongest); }

Result<bool> RingWriter::put(OutgoingMessage& message, std::uint32_t back) {
  // Memory first: where there is none, the lap becomes shorter, and with it the records.
  // The control records that may follow have to find theirs, too.
  back_up_to(offset() + kHeaderSize + aligned(std::min(message.rest(), whole_limit())) + kKeptFree);
  const bool whole = !message.started() && message.rest() <= whole_limit();
  const std::size_t room = whole ? whole_limit() : piece_limit();
  RecordHeader header;
  header.kind = kind_of_next(!message.started(), message.rest(), room);
  header.length = static_cast<std::uint32_t>(std::min(message.rest(), room));
  header.back = back;
  const auto handles = message.handles_to_go();
  header.handles = !handles.empty();
  if (handles_ != nullptr && !header.handles) handles_->forget_refusal();
  const auto place = find_place(header.length, back, kKeptFree);
  if (!place) {
    // It is the ring that is waited for now, and not the connection for handles, which was full for an earlier message perhaps.
    if (handles_ != nullptr) handles_->forget_refusal();
    return place.error();
  }
  if (header.handles) {
    // Now that nothing else can keep the record back: they can't be had again.
    if (handles_ == nullptr) return Error{Errc::not_supported, Step::attach, 0, 0, 0};
    if (auto sent = handles_->send(messages_, handles); !sent) return sent.error();
  }
  message.copy(place->payload(), header.length);
  publish_at(*place, header);
  message.start();
  message.advance(header.length);
  return message.rest() == 0;
}

Result<void> RingWriter::put_control(const Control& control, std::uint32_t back) {
  if (lent_) make_void(back);
  const auto place = find_place(kControlSize, back, 0);
  if (!place) return place.error();
  const auto payload = encode(control);
  std::memcpy(place->payload(), payload.data(), payload.size());
  publish_at(*place, {.length = kControlSize, .kind = Kind::control, .back = back});
  return {};
}

// Where a record with so much payload goes, and has room.
Result<RingWriter::Place> RingWriter::find_place(std::size_t length, std::uint32_t back, std::size_t kept_free) {
  if (!is_home_next_ || !fits_at_home(length)) return find_place_in_lap(length, back, kept_free);
  // The kept bytes have room wherever this lap ends: everything before the record that led here was released, so that hardly
  // more than that one lies between what is released and here, and a lap is longer than both.
  const std::uint64_t end = position_ + kHomeStep;
  if (auto room = require_room_for(end, kept_free); !room) return room.error();
  return Place{home(), end};
}

// … in the ring, at position_. It may have to begin another lap.
Result<RingWriter::Place> RingWriter::find_place_in_lap(std::size_t length, std::uint32_t back, std::size_t kept_free) {
  if (is_home_next_) leave_home(back);
  const std::size_t size = kHeaderSize + aligned(length);
  if (offset() + size + kHeaderSize > lap_) {
    if (auto ended = end_lap(back, kept_free); !ended) return ended.error();
  }
  // The furthest place that a control record behind this one may need: in this lap, or at the beginning of the next.
  const bool kept_in_lap = offset() + size + kept_free <= lap_;
  const std::uint64_t end = kept_free == 0 || kept_in_lap ? position_ + size : next_lap();
  if (auto room = require_room_for(end, kept_free); !room) return room.error();
  return Place{here(), position_ + size};
}

// A small record, and its unit of the ring lies in this lap with the header behind it.
bool RingWriter::fits_at_home(std::size_t length) const noexcept {
  return length <= kHomeSize - kHeaderSize && offset() + kHomeStep + kHeaderSize <= lap_;
}

// Whether the record behind this one is to be in a home slot: where messages are small, and the peer is known to have let go of
// everything that was before this one, of something at least. So of what was in that slot, too.
bool RingWriter::goes_home(const RecordHeader& header) noexcept {
  if (header.kind != Kind::data || header.length > kHomeSize - kHeaderSize || position_ == 0) return false;
  return note_hint() && released_ == position_;  // a position that can't be is found where room is looked for
}

// The next record is looked for in a home slot, and is not going to be there: a filler says so. It takes nothing of the ring.
void RingWriter::leave_home(std::uint32_t back) noexcept {
  header_at(here().place()).store(0, std::memory_order_relaxed);  // relaxed: published by the filler's header
  is_home_next_ = false;
  const Spot slot = home();
  ++homes_used_;
  publish(slot, {.length = 0, .kind = Kind::filler, .back = back});
}

// The payload is there: publishes its record, behind which nothing is yet.
void RingWriter::publish_at(Place place, RecordHeader header) noexcept {
  header.home = goes_home(header);
  is_home_next_ = header.home;
  if (place.spot.is_home()) ++homes_used_;
  // In the ring; in a home slot what was there tells itself from what is to come.
  // relaxed: the release store of our header, below, makes it visible before the consumer can look here
  if (!header.home) header_at(ring_.bytes + offset_of(place.end)).store(0, std::memory_order_relaxed);
  fault::point("before-publish");
  position_ = place.end;
  if (ends_message(header.kind)) ++messages_;
  // Before the record is there: who takes it must not believe any longer that we wait for room.
  stop_waiting();
  publish(place.spot, header);
}

// Stores the header, which makes the record visible, and rings if the consumer sleeps. In a batch the first header is stored
// last: until then nobody comes to the others.
void RingWriter::publish(Spot spot, RecordHeader header) noexcept {
  const std::uint64_t packed = pack(header) | spot.turn();
  if (!is_batch_) {
    publish_alone(spot.place(), packed);
  } else if (first_header_ == 0) {
    first_at_ = spot.place();
    first_header_ = packed;
  } else {
    // relaxed: the release store of the first header, in end_batch(), makes it visible with all that stands before it here
    header_at(spot.place()).store(packed, std::memory_order_relaxed);
  }
}

void RingWriter::publish_alone(std::byte* at, std::uint64_t packed) noexcept {
  // release: pairs with the acquire load in RingReader::take(); makes the payload and the zero header behind it visible first.
  header_at(at).store(packed, std::memory_order_release);
  fault::point("after-publish");
  // seq_cst fence: pairs with the one in RingReader::announce(). Either we see `waits`, or the consumer, which looks again
  // after its fence, sees our header.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  ring_sleeping_consumer();
}

void RingWriter::begin_batch() noexcept {
  is_batch_ = true;
  first_header_ = 0;
}

void RingWriter::end_batch() noexcept {
  is_batch_ = false;
  if (first_header_ != 0) publish_alone(first_at_, first_header_);
}

Result<std::optional<std::span<std::byte>>> RingWriter::lend(std::size_t size, std::uint32_t back) {
  back_up_to(offset() + kHeaderSize + aligned(std::min(size, whole_limit())) + kKeptFree);  // memory first, as in put()
  if (size > whole_limit()) return std::optional<std::span<std::byte>>{};
  const auto place = find_place_in_lap(size, back, kKeptFree);
  if (!place) return place.error();
  lent_ = size;
  return std::optional{std::span{place->payload(), size}};
}

bool RingWriter::commit(std::size_t size, std::uint32_t back) noexcept {
  if (!lent_) return false;
  lent_.reset();
  publish_at({here(), position_ + kHeaderSize + aligned(size)},
             {.length = static_cast<std::uint32_t>(size), .kind = Kind::data, .back = back});
  return true;
}

// Somebody may go on writing into the place that was lent, and a control record is due: what is lent becomes a void, which the
// consumer steps over without a look at it. Its end was reserved with it.
void RingWriter::make_void(std::uint32_t back) noexcept {
  const std::size_t length = aligned(*lent_);
  lent_.reset();
  if (length == 0) return;  // nobody writes there
  publish_at({here(), position_ + kHeaderSize + length},
             {.length = static_cast<std::uint32_t>(length), .kind = Kind::filler, .back = back});
}

// After a seq_cst fence.
void RingWriter::ring_sleeping_consumer() noexcept {
  // relaxed: the fence orders it
  if (shared(ring_.consumer_bell->waits).load(std::memory_order_relaxed) == 0) return;
  // relaxed: only saves rings; the consumer sets it again before it sleeps again
  shared(ring_.consumer_bell->waits).store(0, std::memory_order_relaxed);
  region_->ring();
  fault::point("after-ring");
}

// Ends the lap with a filler, where the next record doesn't fit into the rest of it.
Result<void> RingWriter::end_lap(std::uint32_t back, std::size_t kept_free) {
  if (auto room = require_room_for(next_lap(), kept_free); !room) return room;
  const Spot spot = here();
  header_at(ring_.bytes).store(0, std::memory_order_relaxed);  // relaxed: published by the filler's header, as in publish_at()
  position_ = next_lap();
  publish(spot, {.length = 0, .kind = Kind::filler, .back = back});
  return {};
}

// Backs the ring with memory up to `offset`. Where the system refuses, laps stay as short as what is backed.
void RingWriter::back_up_to(std::size_t offset) noexcept {
  offset = std::min(offset, lap_);
  if (offset <= backed_) return;
  // Twice as much each time: few calls, and no memory that a short life never touches.
  const std::size_t wanted = std::min(std::max(offset, 2 * backed_), lap_);
  if (region_->reserve(ring_.region_offset + backed_, wanted - backed_)) {
    backed_ = wanted;
  } else {
    lap_ = backed_;
  }
}

// For a record that ends at `end`: what it leaves free for control records, or the header behind it, has to find room as well.
Result<void> RingWriter::require_room_for(std::uint64_t end, std::size_t kept_free) noexcept {
  const std::uint64_t needed = end + std::max(kept_free, kHeaderSize);
  auto room = require_room(needed);
  if (kept_free != 0) wanted_ = room ? 0 : needed;  // of messages alone: a control record is no matter of the caller's
  return room;
}

// What is broken is no reason to wait: the next send finds it.
bool RingWriter::has_room() noexcept {
  if (wanted_ == 0) return true;
  const auto room = require_room(wanted_);
  return room || room.error().code != Errc::would_block;
}

// would_block unless everything before `end` may be written over: end - released <= capacity.
Result<void> RingWriter::require_room(std::uint64_t end) noexcept {
  if (end - released_ <= ring_.capacity) return {};
  if (auto noted = note_hint(); !noted) return noted;
  if (end - released_ <= ring_.capacity) return {};
  // acquire: pairs with the release store in RingHold::give_back(); the consumer's reads come before our writes over them
  if (auto noted = note_position(shared(ring_.consumer->released).load(std::memory_order_acquire)); !noted) return noted;
  if (end - released_ <= ring_.capacity) return {};
  return would_block();
}

// What came along in a header last. Each is looked at once: a position that stays there is half the range of its 32 bits old
// some day, and would look new. This is called at least once a lap, so a fresh one never is.
Result<void> RingWriter::note_hint() noexcept {
  // acquire: pairs with the release store in note_released()
  const std::uint32_t hint = piggybacked_.load(std::memory_order_acquire);
  if (hint == noted_) return {};
  if (auto noted = note_position(hint); !noted) return noted;  // and is told to everybody who looks
  noted_ = hint;
  return {};
}

// Takes over a release position as the peer tells it, if it is newer, and possible.
Result<void> RingWriter::note_position(std::uint32_t units) noexcept {
  const auto ahead = static_cast<std::int32_t>(units - static_cast<std::uint32_t>(released_ / kUnit));
  if (ahead <= 0) return {};
  const std::uint64_t released = released_ + static_cast<std::uint64_t>(ahead) * kUnit;
  if (released > position_) return Error{Errc::protocol_error, Step::send, 0, 0, 0};
  released_ = released;
  return {};
}

void RingWriter::announce_asking() noexcept {
  // relaxed: ordered by the fence
  shared(ring_.producer_bell->asks).store(1, std::memory_order_relaxed);
  // seq_cst fence: pairs with the one in RingReader::note_taken(). Either the consumer sees our word, or we, who look again
  // after this, see what it has taken.
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void RingWriter::announce_room() noexcept {
  waits_for_room_ = true;
  // relaxed: ordered by the fence
  const bool is_news = shared(ring_.producer_bell->waits).exchange(1, std::memory_order_relaxed) == 0;
  // seq_cst fence: pairs with those that follow each RingHold::give_back() (release_front(), RingReader::pass() and
  // note_taken()). Either the consumer sees our word, or we, who look again after this, see what it has released.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  // A consumer that sleeps although there is no room holds messages: it is woken to be told so. After the fence that pairs with
  // the one in RingReader::announce(): either we see that it sleeps, or it sees that we wait. Once for each wish: two ends that
  // both wait for room would wake each other for ever.
  if (is_news) ring_sleeping_consumer();
}

void RingWriter::stop_waiting() noexcept {
  if (!waits_for_room_) return;
  waits_for_room_ = false;
  // relaxed: who takes the record that is published next sees it, by that header's release store; at worst the consumer rings
  // once in vain
  shared(ring_.producer_bell->waits).store(0, std::memory_order_relaxed);
}

}  // namespace sluice::inline v0::core
