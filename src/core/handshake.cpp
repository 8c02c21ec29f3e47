#include "core/handshake.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/hang_up_tether.hpp"
#include "core/ring_layout.hpp"
#include "links/fault.hpp"
#include "links/system.hpp"

namespace sluice::inline v0::core {
namespace {

constexpr Step kLastStep = Step::make_pipes;                    // that a refusal may name
constexpr std::size_t kNumbersAt = kHeaderSize + kControlSize;  // in the frame of a control record

[[nodiscard]] Error broken() noexcept { return Error{Errc::protocol_error, Step::hello, 0, 0, 0}; }

[[nodiscard]] std::vector<std::uint64_t> numbers_of(const Frame& frame) {
  std::vector<std::uint64_t> numbers((frame.bytes.size() - kNumbersAt) / sizeof(std::uint64_t));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = load_little<std::uint64_t>(frame.bytes.data() + kNumbersAt + i * sizeof(std::uint64_t));
  }
  return numbers;
}

// What a refusal says, as the error of this side.
[[nodiscard]] Error error_of(const Control& refusal, const Frame& frame) {
  const auto numbers = numbers_of(frame);
  if (refusal.number == 0 || refusal.number > static_cast<std::uint32_t>(Errc::interrupted) || numbers.size() != 2)
    return broken();
  const auto step = static_cast<std::uint32_t>(refusal.value >> 32);
  return Error{
      static_cast<Errc>(refusal.number), step <= static_cast<std::uint32_t>(kLastStep) ? static_cast<Step>(step) : Step::none,
      static_cast<std::int32_t>(refusal.value), static_cast<std::int64_t>(numbers[0]), static_cast<std::int64_t>(numbers[1])};
}

// Whether handles travel over the connection on which two ends meet, be it the channel's own link or beside that.
[[nodiscard]] bool carries_handles(const links::Meeting& meeting) {
  const auto* stream = std::get_if<std::unique_ptr<links::StreamLink>>(&meeting.link);
  if (stream == nullptr || !(*stream)->carries_handles()) return false;
  return !meeting.private_link || meeting.carries_handles;
}

[[nodiscard]] Part part_of(Handshake::Role role) noexcept {
  switch (role) {
    case Handshake::Role::connecting:
      return Part::connects;
    case Handshake::Role::listening:
      return Part::listens;
    case Handshake::Role::adopting:
      break;
  }
  return Part::either;
}

// A fresh region gets its head from the side that made it; the other side checks that this is one.
[[nodiscard]] Result<void> check_region(const links::AnyLink& link, Handshake::Role role) {
  const auto* region = std::get_if<std::shared_ptr<links::RegionLink>>(&link);
  if (region == nullptr) return {};
  const auto memory = (*region)->memory();
  if (capacity_of(memory.size()) == 0) return Error{Errc::protocol_error, Step::map_region, 0, 0, 0};
  if (role == Handshake::Role::listening) {
    write_head(memory);
  } else if (!is_head_valid(memory)) {
    return Error{Errc::protocol_error, Step::map_region, 0, 0, 0};
  }
  return {};
}

}  // namespace

Handshake::Handshake(Role role, links::Meeting meeting, const links::Row& row, const Limits& limits)
    : role_(role),
      meeting_(std::move(meeting)),
      greeting_(meeting_.link),
      row_(row),
      limits_(limits),
      max_handles_(carries_handles(meeting_) ? limits.max_handles : 0) {}

Result<Established> Handshake::step() {
  while (true) {
    // A listener that refuses may have hung up before we have said hello: its reason is still to be read.
    const auto sent = greeting_.send();
    const bool may_have_said_why = state_ == State::hello || state_ == State::verdict;
    if (!sent && (sent.error().code != Errc::peer_died || !may_have_said_why)) return sent.error();
    Result<void> done;
    switch (state_) {
      case State::begin:
        done = begin();
        break;
      case State::hello:
        done = take_hello();
        break;
      case State::verdict:
        done = take_verdict();
        break;
      case State::ready:
        done = take_ready();
        break;
      case State::established:
        return establish();
    }
    if (!done) return done.error();
  }
}

Result<void> Handshake::begin() {
  if (is_foreign(limits_.framing)) return meet_stranger();
  if (!meeting_.vouched) return role_ == Role::listening ? refuse(meeting_.vouched.error()) : meeting_.vouched.error();
  if (role_ != Role::listening) {
    if (auto queued = queue_hello(); !queued) return queued;
  }
  state_ = State::hello;
  return {};
}

// would_block: the system doesn't know yet who is there, for the other side has not accepted.
Result<void> Handshake::meet_stranger() {
  if (!meeting_.vouched) return meeting_.vouched;
  if (meeting_.private_link || !std::holds_alternative<std::unique_ptr<links::StreamLink>>(meeting_.link)) return no_stream();
  if (!meeting_.peer.user_id && !meeting_.peer.process_id && meeting_.vouch_again) {
    const auto peer = meeting_.vouch_again();
    if (!peer) return peer.error();
    meeting_.peer = *peer;
  }
  max_handles_ = 0;
  peer_largest_ = std::min(largest_message(limits_.framing), limits_.max_message);
  state_ = State::established;
  return {};
}

// Once: a second call does nothing.
Result<void> Handshake::queue_hello() {
  if (our_id_) return {};
  std::array<std::byte, 16> id;
  if (auto filled = links::random_bytes(id); !filled) return filled;
  our_id_ = id;
  greeting_.queue(encode(our_hello(limits_.max_message, id, static_cast<std::uint32_t>(max_handles_), part_of(role_))));
  return {};
}

Result<void> Handshake::take_hello() {
  const auto frame = greeting_.receive_hello();
  if (!frame && frame.error().code == Errc::would_block) return frame.error();
  if (const auto vouched = vouch_again(); !vouched) {
    if (role_ == Role::listening) return refuse(vouched.error());
    // A listener that refuses has hung up by now, perhaps: its reason is still to be read. An offer will not be taken.
    if (vouched.error().code != Errc::peer_died) return vouched;
  }
  const auto hello = frame ? decode_hello(frame->bytes) : Result<Hello>{frame.error()};
  if (!hello) return role_ == Role::listening ? refuse(hello.error()) : hello.error();
  if (const auto taken = take_part(*hello); !taken) return taken;
  peer_largest_ = hello->largest_message;
  peer_max_handles_ = hello->max_handles;
  if (role_ == Role::listening) return make_offer();
  state_ = State::verdict;
  return {};
}

// Who listens, where that is still open. Our own hello that comes back is an echo, or a link whose two ends are one.
Result<void> Handshake::take_part(const Hello& hello) {
  if (our_id_ && *our_id_ == hello.channel_id) return broken();
  if (role_ != Role::adopting) return {};
  const bool listens = hello.part == Part::either ? *our_id_ > hello.channel_id : hello.part == Part::connects;
  role_ = listens ? Role::listening : Role::connecting;
  return {};
}

// What the system said of the peer when it came may be outdated, or have been missing: its hello came from who is there now.
Result<void> Handshake::vouch_again() {
  if (!meeting_.vouch_again) return {};
  const auto peer = meeting_.vouch_again();
  // It was accepted, or has: if nobody has its end, nobody is there any more.
  if (!peer && peer.error().code == Errc::would_block) return Error{Errc::peer_died, Step::identify_peer, 0, 0, 0};
  if (!peer) return peer.error();
  meeting_.peer = *peer;
  meeting_.vouch_again = nullptr;
  return {};
}

// ---- listener's side -----------------------------------------------------------------------------------------------------

Result<void> Handshake::make_offer() {
  links::Offer offer;
  if (meeting_.private_link) {
    auto made = meeting_.private_link->make(limits_.capacity);
    if (!made) return refuse(made.error());
    offer = *std::move(made);
    if (auto taken = take_link(); !taken) return refuse(taken.error());
  }
  if (auto queued = queue_hello(); !queued) return queued;
  greeting_.queue(control_frame({.word = Word::offer, .number = 0, .value = offer.numbers.size()}, offer.numbers),
                  std::move(offer.handles));
  fault::point("before-offer");
  state_ = State::ready;
  return {};
}

// Tells the peer why, as far as that goes without waiting; the connection is dropped afterwards.
Error Handshake::refuse(const Error& error) {
  const std::array<std::uint64_t, 2> numbers{static_cast<std::uint64_t>(error.first), static_cast<std::uint64_t>(error.second)};
  const auto value = static_cast<std::uint64_t>(error.step) << 32 | static_cast<std::uint32_t>(error.os_code);
  if (queue_hello()) {
    greeting_.queue(
        control_frame({.word = Word::refuse, .number = static_cast<std::uint32_t>(error.code), .value = value}, numbers));
    (void)greeting_.send();
  }
  return error;
}

Result<void> Handshake::take_ready() {
  const auto frame = greeting_.receive_control(Greeting::Handles::discard);
  if (!frame) return frame.error();
  const auto control = decode_control(Bytes{frame->bytes}.subspan(kHeaderSize));
  if (!control || control->word != Word::ready) return broken();
  if (control->number != 0) {
    if (!meeting_.private_link || !meeting_.private_link->stay(control->number)) return broken();
    link_.reset();
  }
  state_ = State::established;
  return {};
}

// ---- connecting side -----------------------------------------------------------------------------------------------------

Result<void> Handshake::take_verdict() {
  auto frame = greeting_.receive_control(meeting_.private_link ? Greeting::Handles::take : Greeting::Handles::discard);
  if (!frame) return frame.error();
  const auto control = decode_control(Bytes{frame->bytes}.subspan(kHeaderSize));
  if (!control) return broken();
  if (control->word == Word::refuse) return error_of(*control, *frame);
  if (control->word != Word::offer) return broken();
  if (auto vouched = vouch_again(); !vouched) return vouched;  // unless that was done at its hello
  return take_offer(*control, *std::move(frame));
}

Result<void> Handshake::take_offer(const Control& control, Frame frame) {
  links::Offer offer{numbers_of(frame), std::move(frame.handles)};
  if (offer.numbers.size() != control.value || offer.numbers.size() > links::Offer::kMaxNumbers) return broken();
  if (meeting_.private_link) {
    if (auto taken = take_private_link(std::move(offer), frame.lost_handles); !taken) return taken;
  } else if (!offer.numbers.empty() || !offer.handles.empty()) {
    return broken();
  }
  const std::uint32_t refusal = meeting_.private_link ? meeting_.private_link->refusal() : 0;
  greeting_.queue(control_frame({.word = Word::ready, .number = refusal}));
  state_ = State::established;  // once it is sent
  return {};
}

Result<void> Handshake::take_private_link(links::Offer offer, bool lost_handles) {
  auto& link = *meeting_.private_link;
  auto taken = lost_handles ? link.do_without({Errc::limit_reached, Step::offer, 0, 0, 0}) : link.take(std::move(offer));
  if (!taken) return taken;
  fault::point("after-take-offer");
  return take_link();
}

// ---- both ----------------------------------------------------------------------------------------------------------------

// The private link, once it is made or taken; none where the channel stays on the connection.
Result<void> Handshake::take_link() {
  if (!meeting_.private_link->fallback().empty()) return {};
  link_ = meeting_.private_link->link();
  return check_region(*link_, role_);
}

Established Handshake::establish() {
  Established result;
  result.peer = meeting_.peer;
  result.max_incoming = limits_.max_message;
  result.max_outgoing = static_cast<std::size_t>(std::min<std::uint64_t>(peer_largest_, SIZE_MAX));
  result.max_incoming_handles = max_handles_;
  result.conduct = limits_.conduct;
  result.max_outgoing_handles = std::min(peer_max_handles_, links::kMostHandles);
  result.traits = row_.promised;
  result.framing = limits_.framing;
  result.trace = limits_.trace;
  result.traits.framing = row_of(limits_.framing).name;
  result.traits.handles = carries_handles(meeting_) && !is_foreign(limits_.framing);
  result.traits.identity = row_.promised.identity && meeting_.peer.user_id.has_value();
  result.tether = std::move(meeting_.tether);
  // A stranger may hand its end to another process and go, or end one direction and not the other: only the stream tells.
  if (is_foreign(limits_.framing)) result.tether = std::make_unique<links::NoTether>();
  if (link_) {
    // The connection of the lobby stays open: its hang-up is part of the tether.
    auto& stream = std::get<std::unique_ptr<links::StreamLink>>(meeting_.link);
    if (meeting_.carries_handles) {
      result.handles = std::move(stream);
    } else {
      result.tether = std::make_unique<HangUpTether>(std::move(stream), std::move(result.tether));
    }
    result.link = *std::move(link_);
  } else {
    result.link = std::move(meeting_.link);
    if (meeting_.private_link) result.traits.fallback = meeting_.private_link->fallback();
  }
  result.traits.mechanism = row_.name;
  result.traits.reach = row_.reach;
  result.traits.max_message = std::min<std::uint64_t>(limits_.max_message, peer_largest_);
  result.traits.one_process = meeting_.one_process;
  result.traits.shape = static_cast<Shape>(result.link.index());
  result.traits.packet_size = 0;
  result.traits.capacity = 0;
  if (const auto* packets = std::get_if<std::unique_ptr<links::PacketLink>>(&result.link)) {
    result.traits.packet_size = (*packets)->max_packet();
  } else if (const auto* region = std::get_if<std::shared_ptr<links::RegionLink>>(&result.link)) {
    result.traits.capacity = capacity_of((*region)->memory().size());
  }
  return result;
}

}  // namespace sluice::inline v0::core
