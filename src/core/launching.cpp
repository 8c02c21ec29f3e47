// Ends that are handed to another process: child_end(), spawn() and inherited().
//
//   SLUICE_INHERITED=pipe:3,4           spawn()'s end: its mechanism, and its handles in the order of Mechanism::take_end()
//   SLUICE_INHERITED_NAME=pipe:5,6      one that was given a name
//   SLUICE_INHERITED=pipe:3,4?framing=line   one that speaks a foreign framing
//
// The end that stays plays the listener's part: it makes what has to be made, once the other has said hello.
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/process.hpp>

#include "core/api_access.hpp"
#include "core/connecting.hpp"
#include "core/endpoint.hpp"
#include "core/framing.hpp"
#include "core/guarded.hpp"
#include "core/joined_tether.hpp"
#include "links/child_process.hpp"
#include "links/inheritance.hpp"
#include "links/mechanism.hpp"

namespace sluice::inline v0 {
namespace core {
namespace {

constexpr std::string_view kVariable = "SLUICE_INHERITED";
constexpr std::size_t kLongestName = 64;

Result<std::string> variable_of(std::string_view name) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
  if (name.size() > kLongestName || name.find_first_not_of(kLetters) != name.npos) {
    return Error{Errc::misuse, Step::inherit, 0, 0, 0};
  }
  std::string variable{kVariable};
  if (!name.empty()) variable.append("_").append(name);
  return variable;
}

// Two ends, and what the other process has to be given.
struct MadeEnds {
  Resolved resolved;
  links::Meeting ours;
  std::vector<links::Descriptor> theirs;
  std::string variable;  // NAME=VALUE
};

Result<MadeEnds> make_ends(std::string_view endpoint, std::string_view name, const Options& options) {
  auto variable = variable_of(name);
  if (!variable) return variable.error();
  auto resolved = resolve(endpoint, options);
  if (!resolved) return resolved.error();
  auto ends = resolved->mechanism.make_ends(resolved->place, resolved->limits.capacity);
  if (!ends) return ends.error();
  std::string value;
  for (auto& handle : ends->theirs) {
    auto beside = links::beside_standard_streams(std::move(handle));
    if (!beside) return beside.error();
    handle = *std::move(beside);
    if (!value.empty()) value += ',';
    value += std::to_string(handle.native());
  }
  std::string theirs = to_text(resolved->row.name, value);
  // What goes over the wire both have to know; the other options are each end's own.
  const Framing framing = resolved->limits.framing;
  if (is_foreign(framing)) theirs.append("?framing=").append(row_of(framing).name);
  return MadeEnds{*resolved, std::move(ends->ours), std::move(ends->theirs), *variable + '=' + theirs};
}

Result<ChildEnd> make_child_end(std::string_view endpoint, std::string_view name, const Options& options) {
  auto ends = make_ends(endpoint, name, options);
  if (!ends) return ends.error();
  const Resolved& resolved = ends->resolved;
  auto session = connected_later(
      std::make_unique<Connecting>(Handshake::Role::listening, std::move(ends->ours), resolved.row, resolved.limits), resolved);
  if (!session) return session.error();
  Launch launch;
  launch.handles.reserve(ends->theirs.size());
  for (auto& handle : ends->theirs) launch.handles.emplace_back(handle.release());
  launch.environment.push_back(std::move(ends->variable));
  return ChildEnd{ApiAccess::channel(*std::move(session)), std::move(launch)};
}

// ---- spawn ---------------------------------------------------------------------------------------------------------------

Result<Established> meet_child(MadeEnds& ends, const links::ChildProcess& child, Deadline deadline) {
  auto process = child.tether();
  if (!process) return process.error();
  ends.theirs.clear();  // so that the child's end is the child's alone
  ends.ours.peer.process_id = child.id();
  ends.ours.tether = std::make_unique<JoinedTether>(std::move(ends.ours.tether), *std::move(process));
  Connecting connecting{Handshake::Role::listening, std::move(ends.ours), ends.resolved.row, ends.resolved.limits};
  auto established = wait_until_connected(connecting, Step::spawn, deadline, child.waitable());
  if (!established && established.error().code == Errc::peer_died) {
    return Error{Errc::peer_died, Step::spawn, established.error().os_code, 0, 0};
  }
  return established;
}

Result<Child> start_child(std::string_view endpoint, std::span<const std::string> argv, Deadline deadline,
                          const Options& options) {
  auto ends = make_ends(endpoint, {}, options);
  if (!ends) return ends.error();
  auto started = links::ChildProcess::start(
      {.argv = argv, .left_out = kVariable, .environment = {&ends->variable, 1}, .handles = ends->theirs});
  if (!started) return started.error();
  // First of all: from here on somebody reaps it, whatever fails.
  auto process = ApiAccess::process(*std::move(started));
  if (!process) return process.error();
  const auto give_up = [&](const Error& error) {
    ApiAccess::end(*process);
    return error;
  };
  try {
    auto established = meet_child(*ends, ApiAccess::child(*process), deadline);
    if (!established) return give_up(established.error());
    auto channel = ApiAccess::channel(std::make_unique<Session>(*std::move(established)));
    return Child{std::move(channel), *std::move(process)};
  } catch (const std::bad_alloc&) {
    return give_up({Errc::out_of_memory, Step::spawn, 0, 0, 0});
  }
}

// ---- inherited -----------------------------------------------------------------------------------------------------------

Error makes_no_sense(std::int32_t os_code = 0) noexcept { return {Errc::protocol_error, Step::inherit, os_code, 0, 0}; }

// The numbers of "5,6".
std::optional<std::vector<links::Descriptor::Native>> numbers_in(std::string_view text) {
  std::vector<links::Descriptor::Native> numbers;
  while (numbers.size() < links::Offer::kMaxHandles) {
    links::Descriptor::Native number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || number < 0 || std::ranges::find(numbers, number) != numbers.end()) return std::nullopt;
    numbers.push_back(number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty()) return numbers;
    if (text.front() != ',') return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

// What the value of the variable names. Handles that are not what it says may be others' and stay open.
Result<links::Meeting> take_inherited(const Resolved& resolved) {
  const auto numbers = numbers_in(resolved.place.where);
  if (!numbers) return makes_no_sense();
  std::vector<links::Descriptor> handles;
  for (const auto number : *numbers) {
    auto handle = links::duplicate_inherited(number);
    if (!handle) return handle.error().code == Errc::misuse ? makes_no_sense(handle.error().os_code) : handle.error();
    handles.push_back(*std::move(handle));
  }
  // Whoever has started this process had the other end, whoever that is.
  auto meeting = resolved.mechanism.take_end(std::move(handles), {{}, {}, Allow::anyone});
  if (!meeting) return meeting.error().code == Errc::misuse ? makes_no_sense(meeting.error().os_code) : meeting.error();
  for (const auto number : *numbers) links::close_inherited(number);
  return meeting;
}

// Nobody claims these any more, for the variable is gone. They stay open all the same: the environment may be anybody's text,
// by which nobody may close this program's own. But what was meant for this process goes to none that it starts.
void keep_unclaimed(std::string_view where) {
  const auto numbers = numbers_in(where);
  if (!numbers) return;
  for (const auto number : *numbers) links::keep_from_programs(number);
}

Result<std::unique_ptr<Session>> claim(std::string_view name, Deadline deadline, const Options& options) {
  const auto variable = variable_of(name);
  if (!variable) return variable.error();
  const auto value = links::take_variable(*variable);
  if (!value) return Error{Errc::not_found, Step::inherit, 0, 0, 0};
  const auto resolved = resolve(*value, options);
  if (!resolved) {
    if (const auto endpoint = parse_endpoint(*value)) keep_unclaimed(endpoint->where);
    return resolved.error().code == Errc::invalid_endpoint ? makes_no_sense() : resolved.error();
  }
  auto meeting = take_inherited(*resolved);
  if (!meeting) {
    keep_unclaimed(resolved->place.where);
    return meeting.error();
  }
  Connecting connecting{Handshake::Role::connecting, *std::move(meeting), resolved->row, resolved->limits};
  auto established = wait_until_connected(connecting, Step::inherit, deadline);
  if (!established) return established.error();
  return std::make_unique<Session>(*std::move(established));
}

}  // namespace
}  // namespace core

Result<Child> spawn(std::string_view endpoint, std::span<const std::string> argv, Deadline deadline, const Options& options) {
  return core::guarded(Step::spawn, [&] { return core::start_child(endpoint, argv, deadline, options); });
}

Result<Channel> inherited(std::string_view name, Deadline deadline, const Options& options) {
  return core::guarded(Step::inherit, [&]() -> Result<Channel> {
    auto session = core::claim(name, deadline, options);
    if (!session) return session.error();
    return core::ApiAccess::channel(*std::move(session));
  });
}

Result<ChildEnd> child_end(std::string_view endpoint, std::string_view name, const Options& options) {
  return core::guarded(Step::inherit, [&] { return core::make_child_end(endpoint, name, options); });
}

}  // namespace sluice::inline v0
