#include "core/connecting.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "core/beginning.hpp"
#include "links/system.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {
namespace {

constexpr std::chrono::milliseconds kListenerSlice{20};  // between looks for a listener that is not there yet
constexpr std::chrono::milliseconds kBacklogSlice{5};    // between tries at a listener whose backlog is full

// A mechanism counts the options that were left for it; the text has the common ones, too.
Error counted_in_text(Error error, const links::Place& place, std::string_view text) {
  if (error.code != Errc::invalid_endpoint || error.step != Step::check_options) return error;
  const auto which = static_cast<std::size_t>(error.first);
  const auto endpoint = parse_endpoint(text);
  if (!endpoint || which >= place.options.size()) return error;
  const auto is_it = [&](const auto& option) { return option.first == place.options[which].first; };
  error.first = std::ranges::find_if(endpoint->options, is_it) - endpoint->options.begin();
  return error;
}

void trace_failure(const Trace& trace, const Error& error) {
  trace.note("failed", [&] { return describe(error); });
}

// Whether a channel of this mechanism can be a stream of its own, as strangers have it. Where both ends are in one process, an
// option chooses the shape.
[[nodiscard]] bool takes_foreign_framings(const links::Row& row) noexcept {
  return row.meet != links::Meet::lobby && (row.promised.shape == Shape::stream || row.promised.one_process);
}

}  // namespace

Result<Established> Connecting::step() {
  if (!std::exchange(has_begun_, true)) limits_.trace.note("connecting", [this] { return std::string(row_.name); });
  auto established = try_step();
  if (!established && established.error().code != Errc::would_block) trace_failure(limits_.trace, established.error());
  return established;
}

Result<Established> Connecting::try_step() {
  retry_after_.reset();
  if (!handshake_) {
    auto meeting = dialer_->connect();
    if (!meeting) {
      if (meeting.error().code == Errc::would_block) {
        if (!dialer_->waitable()) retry_after_ = kBacklogSlice;
        return meeting.error();
      }
      if (!is_worth_retrying(meeting.error())) return meeting.error();
      retry_after_ = kListenerSlice;
      return would_block();
    }
    handshake_.emplace(Handshake::Role::connecting, *std::move(meeting), row_, limits_);
  }
  auto established = handshake_->step();
  if (!established && is_worth_retrying(established.error())) {
    handshake_.reset();
    retry_after_ = kListenerSlice;
    return would_block();
  }
  // Without a hello nothing wakes us when the other side has accepted: the system is asked again who it is.
  if (!established && established.error().code == Errc::would_block && is_foreign(limits_.framing))
    retry_after_ = kBacklogSlice;
  return established;
}

// For those who wait for a listener: there is none, or the one that there was went away while we shook hands.
bool Connecting::is_worth_retrying(const Error& error) const noexcept {
  return dialer_ && limits_.wait_for_listener && (error.code == Errc::not_found || error.code == Errc::peer_died);
}

std::optional<WaitingPoint> Connecting::waiting_point() const {
  if (handshake_) return handshake_->waiting_point();
  if (const auto waitable = dialer_->waitable()) return WaitingPoint{waitable, {.writable = true}};
  return std::nullopt;
}

Traits promised_traits(const links::Row& row, const Limits& limits) noexcept {
  Traits traits = row.promised;
  traits.mechanism = row.name;
  traits.reach = row.reach;
  traits.max_message = limits.max_message;
  return traits;
}

Result<Resolved> resolve(std::string_view text, const Options& options) {
  auto endpoint = parse_endpoint(text);
  if (!endpoint) return endpoint.error();
  const auto* row = links::find_row(endpoint->mechanism);
  if (row == nullptr) return Error{Errc::invalid_endpoint, Step::find_mechanism, 0, 0, 0};
  const auto* mechanism = links::find_mechanism(endpoint->mechanism);
  if (mechanism == nullptr) return Error{Errc::not_supported, Step::find_mechanism, 0, 0, 0};
  auto limits = take_options(*endpoint, options, row->options);
  if (!limits) return limits.error();
  if (is_foreign(limits->framing) && !takes_foreign_framings(*row)) return no_stream();
  limits->trace = Trace::of(options, text);
  links::Place place{std::move(endpoint->where), std::move(endpoint->options), limits->allow};
  return Resolved{*row, *mechanism, std::move(place), *limits};
}

Result<std::unique_ptr<links::Acceptor>> Resolved::listen(std::string_view endpoint) const {
  auto acceptor = mechanism.listen(place);
  if (!acceptor) return counted_in_text(acceptor.error(), place, endpoint);
  return acceptor;
}

Result<std::unique_ptr<links::Dialer>> Resolved::dial(std::string_view endpoint) const {
  auto dialer = mechanism.dial(place);
  if (!dialer) return counted_in_text(dialer.error(), place, endpoint);
  return dialer;
}

Result<Established> wait_until_connected(Connecting& connecting, Step step, Deadline deadline, links::Waitable watched) {
  bool has_ended = false;
  while (true) {
    auto established = connecting.step();
    if (established || established.error().code != Errc::would_block) return established;
    if (has_ended) return Error{Errc::peer_died, step, 0, 0, 0};  // what it had said before was still to be read
    if (deadline.has_passed()) return Error{deadline.is_now() ? Errc::would_block : Errc::timed_out, step, 0, 0, 0};

    // A waiter for each sleep: points come and go with retries, and there are only a few.
    constexpr std::uint64_t kWatched = 1;
    auto waiter = links::Waiter::create();
    if (!waiter) return waiter.error();
    if (const auto point = connecting.waiting_point()) {
      if (auto added = waiter->add(point->waitable, point->interest, 0); !added) return added.error();
    }
    if (watched) {
      if (auto added = waiter->add(watched, {.readable = true}, kWatched); !added) return added.error();
    }
    const auto slice = connecting.retry_after();
    std::array<links::Ready, 2> ready;
    const auto count = waiter->wait(ready, slice ? deadline.or_earlier(Deadline{*slice}) : deadline);
    if (!count) return count.error();
    has_ended = std::ranges::any_of(std::span{ready}.first(*count), [](const auto& one) { return one.key == kWatched; });
  }
}

Result<std::unique_ptr<Session>> connected_later(std::unique_ptr<Connecting> connecting, const Resolved& resolved) {
  auto beginning = Beginning::create(std::move(connecting));
  if (!beginning) return beginning.error();
  return std::make_unique<Session>(*std::move(beginning), promised_traits(resolved.row, resolved.limits), resolved.limits);
}

Result<std::unique_ptr<Session>> connect_later(std::string_view endpoint, const Options& options) {
  const auto resolved = resolve(endpoint, options);
  if (!resolved) return resolved.error();
  auto dialer = resolved->dial(endpoint);
  if (!dialer) return dialer.error();
  return connected_later(std::make_unique<Connecting>(*std::move(dialer), resolved->row, resolved->limits), *resolved);
}

Result<std::unique_ptr<Session>> connect(std::string_view endpoint, Deadline deadline, const Options& options) {
  const auto resolved = resolve(endpoint, options);
  if (!resolved) return resolved.error();
  auto dialer = resolved->dial(endpoint);
  if (!dialer) {
    trace_failure(resolved->limits.trace, dialer.error());
    return dialer.error();
  }
  Connecting connecting{*std::move(dialer), resolved->row, resolved->limits};
  auto established = wait_until_connected(connecting, Step::connect, deadline);
  if (!established) {
    const Error& error = established.error();
    if (error.code == Errc::timed_out || error.code == Errc::would_block) trace_failure(resolved->limits.trace, error);
    return error;
  }
  return std::make_unique<Session>(*std::move(established));
}

}  // namespace sluice::inline v0::core
