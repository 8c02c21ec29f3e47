// Makes what only the library makes: the public objects over those of the core.
#pragma once

#include <memory>
#include <utility>

#include <sluice/channel.hpp>
#include <sluice/process.hpp>

#include "core/listener.hpp"
#include "core/session.hpp"
#include "links/child_process.hpp"

namespace sluice::inline v0::core {

struct ApiAccess {
  static Channel channel(std::unique_ptr<Session> session) noexcept { return Channel{std::move(session)}; }
  static Listener listener(std::unique_ptr<ListenerCore> listener) noexcept { return Listener{std::move(listener)}; }
  // Defined in process.cpp.
  static Process process(links::ChildProcess child);
};

}  // namespace sluice::inline v0::core
