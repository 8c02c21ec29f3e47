// Variant: what the options in the text of an inproc endpoint choose. The shape, and how hostile the link is to what stands
// above it: this is where small packets, foreign threads, sends of unknown outcome and one-byte reads come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <sluice/mechanisms.hpp>
#include <sluice/result.hpp>

#include "links/meeting.hpp"

namespace sluice::inline v0::mechanism::inproc {

// How a packet is sent.
enum class Sending : std::uint8_t {
  direct,
  unknown,   // every third send has an unknown outcome and is repeated: the receiver sees that packet twice
  blocking,  // the send blocks, so a helper thread does it, from a bounded outbox
};

struct Variant {
  Shape shape{Shape::region};  // link=stream|packets|region

  // Streams, and the stream over which two ends meet for a region.
  std::size_t buffer{std::size_t{64} << 10};  // buffer=N: bytes a direction
  std::size_t chop{SIZE_MAX};                 // chop=N: the most bytes of one read or write
  std::size_t outbox{0};                      // outbox=N: bytes of the outbox from which a foreign thread writes; 0: none

  // Packets.
  std::size_t packet{8192};          // packet=N: bytes of the largest packet
  std::size_t depth{16};             // depth=N: packets a direction
  bool foreign_delivery{false};      // deliver=foreign: packets and readiness come from a thread of the link's own
  Sending sending{Sending::direct};  // send=unknown|blocking

  // Regions.
  std::uint64_t backed{UINT64_MAX};  // backed=N: bytes that can be reserved in all, then limit_reached

  friend bool operator==(const Variant&, const Variant&) = default;
};

// The variant that the place's options choose; nothing if it has none. invalid_endpoint (Step::check_options; first: which of
// the place's options, from 0) for a value that can't be read or is out of range.
[[nodiscard]] Result<std::optional<Variant>> variant_of(const links::Place& place);

}  // namespace sluice::inline v0::mechanism::inproc
