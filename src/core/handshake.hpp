// Handshake: from a meeting to an established channel. A state machine that never waits; whoever drives it (connect, accept,
// the probe) looks after time.
//
//   connecting side                         listener's side
//   hello                        ------>    checks who it is, then reads
//                                <------    hello, then offer (or refuse)
//   takes the link, ready        ------>
//
// Where a private link can't be made or taken, and its mechanism can do without, the channel stays on the connection on which
// the two have met: the offer says so, or `ready` does.
//
// Where the system's word on who is there doesn't hold for good (Meeting::vouch_again), each side asks once more when it has
// the other's hello, before it makes anything of it.
//
// With a foreign framing nothing is said: who is there, and may be, is the peer.
//
// The answer to each step proves that the peer lived after we had opened its process object. At most 4 KiB are read from a peer
// that has not finished its handshake, and not a byte beyond its frames: what follows belongs to the session.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <sluice/result.hpp>

#include "core/endpoint.hpp"
#include "core/greeting.hpp"
#include "core/hello.hpp"
#include "core/record.hpp"
#include "core/session.hpp"
#include "links/mechanism.hpp"
#include "links/meeting.hpp"

namespace sluice::inline v0::core {

// The error of a foreign framing over what is no stream.
[[nodiscard]] inline Error no_stream() noexcept { return {Errc::not_supported, Step::check_options, 0, -1, 0}; }

class Handshake {
 public:
  // adopting: the connection was made by others, and nobody knows who connects. Both say hello at once; whoever meets one that
  // connects listens, and the other way round; of two that adopt the one with the larger channel id listens.
  enum class Role : std::uint8_t { connecting, listening, adopting };

  Handshake(Role role, links::Meeting meeting, const links::Row& row, const Limits& limits);

  // Goes on as far as it can without waiting. would_block: wait for waiting_point(). Any other error is final:
  // access_denied, protocol_error, limit_reached …; peer_died: the other side hung up.
  Result<Established> step();

  // The peer's process, where it is known: it may end although its end of the link stays open. Lives as long as the handshake
  // does, and has not established anything.
  [[nodiscard]] const links::Tether& tether() const noexcept { return *meeting_.tether; }

  [[nodiscard]] WaitingPoint waiting_point() const { return greeting_.waiting_point(); }

 private:
  enum class State : std::uint8_t { begin, hello, verdict, ready, established };

  Result<void> begin();
  Result<void> meet_stranger();
  Result<void> take_hello();
  Result<void> take_part(const Hello& hello);
  Result<void> vouch_again();
  Result<void> make_offer();
  Result<void> take_verdict();
  Result<void> take_offer(const Control& control, Frame frame);
  Result<void> take_private_link(links::Offer offer, bool lost_handles);
  Result<void> take_link();
  Result<void> take_ready();
  [[nodiscard]] Error refuse(const Error& error);
  Result<void> queue_hello();
  [[nodiscard]] Established establish();

  Role role_;
  std::optional<std::array<std::byte, 16>> our_id_;  // once our hello is queued
  State state_{State::begin};
  links::Meeting meeting_;
  Greeting greeting_;
  const links::Row& row_;
  Limits limits_;
  std::optional<links::AnyLink> link_;  // of a private link, once it is made or taken
  std::size_t max_handles_{0};          // of one message, that this end accepts; 0 where the link carries none
  std::uint64_t peer_largest_{0};
  std::size_t peer_max_handles_{0};
};

}  // namespace sluice::inline v0::core
