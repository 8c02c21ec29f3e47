#include "core/pairing.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/handshake.hpp"
#include "links/mechanism.hpp"
#include "links/system.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {
namespace {

// Both sides of a meeting that is being made: each is stepped until it would wait.
struct Sides {
  std::unique_ptr<links::Acceptor> acceptor;  // null where the ends were made together
  std::optional<Handshake> listening;
  std::optional<Connecting> connecting;
  std::optional<Established> first;
  std::optional<Established> second;
};

template <class Step>
Result<void> step(std::optional<Established>& established, Step step_on) {
  if (established) return {};
  auto stepped = step_on();
  if (stepped) {
    established = *std::move(stepped);
    return {};
  }
  return stepped.error().code == Errc::would_block ? Result<void>{} : Result<void>{stepped.error()};
}

Result<void> step_both(Sides& sides, const Resolved& resolved) {
  if (auto done = step(sides.second, [&] { return sides.connecting->step(); }); !done) return done;
  if (!sides.listening) {
    auto meeting = sides.acceptor->accept();
    if (!meeting) return meeting.error().code == Errc::would_block ? Result<void>{} : Result<void>{meeting.error()};
    sides.listening.emplace(Handshake::Role::listening, *std::move(meeting), resolved.row, resolved.limits);
  }
  return step(sides.first, [&] { return sides.listening->step(); });
}

// Nearly always the sides go on without a wait; where one has to (a connection over a network, a helper thread of a link), for
// what both wait for.
Result<void> wait_for_either(const Sides& sides, Deadline deadline) {
  auto waiter = links::Waiter::create();
  if (!waiter) return waiter.error();
  std::uint64_t key = 0;
  const auto watch = [&](const WaitingPoint& point) { return waiter->add(point.waitable, point.interest, key++); };
  std::optional<std::chrono::milliseconds> slice;
  if (!sides.second) {
    if (const auto point = sides.connecting->waiting_point()) {
      if (auto watched = watch(*point); !watched) return watched;
    }
    slice = sides.connecting->retry_after();
  }
  if (!sides.first) {
    const auto point =
        sides.listening ? sides.listening->waiting_point() : WaitingPoint{sides.acceptor->waitable(), {.readable = true}};
    if (auto watched = watch(point); !watched) return watched;
  }
  std::array<links::Ready, 2> ready;
  const auto waited = waiter->wait(ready, slice ? deadline.or_earlier(Deadline{*slice}) : deadline);
  return waited ? Result<void>{} : Result<void>{waited.error()};
}

Result<Sides> begin(const Resolved& resolved) {
  Sides sides;
  links::Place place = resolved.place;
  if (place.where.empty()) {
    auto ends = resolved.mechanism.make_ends(place, resolved.limits.capacity);
    if (ends) {
      // Whoever has the descriptors is let in: that is this process.
      place.allow = Allow::anyone;
      auto theirs = resolved.mechanism.take_end(std::move(ends->theirs), place);
      if (!theirs) return theirs.error();
      ends->ours.peer = theirs->peer;
      sides.listening.emplace(Handshake::Role::listening, std::move(ends->ours), resolved.row, resolved.limits);
      sides.connecting.emplace(Handshake::Role::connecting, *std::move(theirs), resolved.row, resolved.limits);
      return sides;
    }
    if (ends.error().code != Errc::not_supported) return ends.error();
    place.where = resolved.mechanism.probe_where(unique_name("pair"));
  }
  auto acceptor = resolved.mechanism.listen(place);
  if (!acceptor) return acceptor.error();
  sides.acceptor = *std::move(acceptor);
  place.where = sides.acceptor->where();  // with the real port
  auto dialer = resolved.mechanism.dial(place);
  if (!dialer) return dialer.error();
  sides.connecting.emplace(*std::move(dialer), resolved.row, resolved.limits);
  return sides;
}

}  // namespace

Result<EstablishedPair> make_pair(const Resolved& resolved, Deadline deadline) {
  auto sides = begin(resolved);
  if (!sides) return sides.error();
  while (true) {
    // Twice: what the first has said the second can answer at once.
    for (int round = 0; round < 2; ++round) {
      if (auto stepped = step_both(*sides, resolved); !stepped) return stepped.error();
    }
    if (sides->first && sides->second) {
      sides->first->traits.one_process = sides->second->traits.one_process = true;
      return EstablishedPair{*std::move(sides->first), *std::move(sides->second)};
    }
    if (deadline.has_passed()) return Error{Errc::timed_out, Step::connect, 0, 0, 0};
    if (auto waited = wait_for_either(*sides, deadline); !waited) return waited.error();
  }
}

std::string unique_name(std::string_view purpose) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<std::byte, 8> random{};
  (void)links::random_bytes(random);
  std::string name{purpose};
  for (const auto byte : random) {
    name += digits[std::to_integer<std::size_t>(byte) >> 4];
    name += digits[std::to_integer<std::size_t>(byte) & 15];
  }
  return name;
}

}  // namespace sluice::inline v0::core
