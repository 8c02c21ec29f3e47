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
  // These are defined in process.cpp. A child that has just been started, as a Process; where memory is refused, it is ended as
  // by end(): out_of_memory.
  static Result<Process> process(links::ChildProcess&& child);
  static const links::ChildProcess& child(const Process& process) noexcept;
  // Kills it and waits until it is reaped. One that can't be killed (it has become another user's) goes on and is let go of:
  // nobody waits for it.
  static void end(const Process& process) noexcept;
};

}  // namespace sluice::inline v0::core
