// Channels that need no listener in another process: pair(), connect_later(), and what others have connected: adopt().
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/channel.hpp>

#include "core/api_access.hpp"
#include "core/connecting.hpp"
#include "core/guarded.hpp"
#include "core/pairing.hpp"
#include "links/descriptor.hpp"

namespace sluice::inline v0 {
namespace core {
namespace {

Result<std::unique_ptr<Session>> adopt(std::vector<links::Descriptor> handles, std::string_view endpoint, Deadline deadline,
                                       const Options& options) {
  const auto resolved = resolve(endpoint, options);
  if (!resolved) return resolved.error();
  auto meeting = resolved->mechanism.take_end(std::move(handles), resolved->place);
  if (!meeting) return meeting.error();
  Connecting connecting{Handshake::Role::adopting, *std::move(meeting), resolved->row, resolved->limits};
  auto established = wait_until_connected(connecting, Step::adopt, deadline);
  if (!established) return established.error();
  return std::make_unique<Session>(*std::move(established));
}

}  // namespace
}  // namespace core

Result<Channel> connect_later(std::string_view endpoint, const Options& options) {
  return core::guarded(Step::connect, [&]() -> Result<Channel> {
    auto session = core::connect_later(endpoint, options);
    if (!session) return session.error();
    return core::ApiAccess::channel(*std::move(session));
  });
}

Result<Pair> pair(std::string_view endpoint, const Options& options) {
  return core::guarded(Step::connect, [&]() -> Result<Pair> {
    const auto resolved = core::resolve(endpoint, options);
    if (!resolved) return resolved.error();
    auto made = core::make_pair(*resolved, Deadline::never());
    if (!made) return made.error();
    return Pair{core::ApiAccess::channel(std::make_unique<core::Session>(std::move(made->first))),
                core::ApiAccess::channel(std::make_unique<core::Session>(std::move(made->second)))};
  });
}

Result<Channel> adopt(std::span<Handle> connected, std::string_view endpoint, Deadline deadline, const Options& options) {
  return core::guarded(Step::adopt, [&]() -> Result<Channel> {
    std::vector<links::Descriptor> handles;
    handles.reserve(connected.size());
    for (auto& handle : connected) handles.emplace_back(handle.release());
    auto session = core::adopt(std::move(handles), endpoint, deadline, options);
    if (!session) return session.error();
    return core::ApiAccess::channel(*std::move(session));
  });
}

Result<Channel> adopt(Handle connected, std::string_view endpoint, Deadline deadline, const Options& options) {
  return adopt(std::span{&connected, 1}, endpoint, deadline, options);
}

Result<Listener> adopt_listener(Handle listening, std::string_view endpoint, const Options& options) {
  return core::guarded(Step::adopt, [&]() -> Result<Listener> {
    auto listener = core::ListenerCore::adopt(links::Descriptor{listening.release()}, endpoint, options);
    if (!listener) return listener.error();
    return core::ApiAccess::listener(*std::move(listener));
  });
}

}  // namespace sluice::inline v0
