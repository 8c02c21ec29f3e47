// Connecting: dialing and shaking hands, one step at a time; it decides when to try again. Where there is nothing to dial (ends
// that were made together, or adopted), only the handshake is left.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <sluice/result.hpp>

#include "core/endpoint.hpp"
#include "core/handshake.hpp"
#include "links/mechanism.hpp"
#include "links/meeting.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {

class Connecting {
 public:
  Connecting(std::unique_ptr<links::Dialer> dialer, const links::Row& row, Limits limits) noexcept
      : dialer_(std::move(dialer)), row_(row), limits_(std::move(limits)) {}
  Connecting(Handshake::Role role, links::Meeting meeting, const links::Row& row, const Limits& limits)
      : handshake_(std::in_place, role, std::move(meeting), row, limits), row_(row), limits_(limits) {}

  // would_block: wait for waiting_point(), if there is one, and for at most retry_after(), if that is set. Other errors are
  // final.
  Result<Established> step();

  [[nodiscard]] std::optional<WaitingPoint> waiting_point() const;
  [[nodiscard]] std::optional<std::chrono::milliseconds> retry_after() const noexcept { return retry_after_; }

 private:
  Result<Established> try_step();
  [[nodiscard]] bool is_worth_retrying(const Error& error) const noexcept;

  std::unique_ptr<links::Dialer> dialer_;  // null: there is nothing to dial
  std::optional<Handshake> handshake_;
  const links::Row& row_;
  Limits limits_;
  bool has_begun_{false};
  std::optional<std::chrono::milliseconds> retry_after_;
};

// What a mechanism promises before anybody has connected.
[[nodiscard]] Traits promised_traits(const links::Row& row, const Limits& limits) noexcept;

// What an endpoint's text and the options come to.
struct Resolved {
  const links::Row& row;
  const links::Mechanism& mechanism;
  links::Place place;
  Limits limits;

  // The mechanism's listen and dial; where they refuse an option, the error counts it in the endpoint's text.
  [[nodiscard]] Result<std::unique_ptr<links::Acceptor>> listen(std::string_view endpoint) const;
  [[nodiscard]] Result<std::unique_ptr<links::Dialer>> dial(std::string_view endpoint) const;
};

// invalid_endpoint, misuse, not_supported (a mechanism that this system or this build doesn't have).
[[nodiscard]] Result<Resolved> resolve(std::string_view endpoint, const Options& options);

// Steps until it is established, or the deadline has passed. `step` is for errors. `watched`: what may end as well (the peer's
// process): then peer_died.
[[nodiscard]] Result<Established> wait_until_connected(Connecting& connecting, Step step, Deadline deadline,
                                                       links::Waitable watched = {});

// A session that is there at once, and connected by the calls on it.
[[nodiscard]] Result<std::unique_ptr<Session>> connected_later(std::unique_ptr<Connecting> connecting,
                                                               const Resolved& resolved);
[[nodiscard]] Result<std::unique_ptr<Session>> connect_later(std::string_view endpoint, const Options& options);

// Connects; waits in slices only while there is nothing to wait for (no listener yet, a full backlog).
[[nodiscard]] Result<std::unique_ptr<Session>> connect(std::string_view endpoint, Deadline deadline, const Options& options);

}  // namespace sluice::inline v0::core
