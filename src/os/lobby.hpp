// Lobby: the one rendezvous of all mechanisms that have no accept of their own: a Unix socket in the runtime folder, named
// after the mechanism and the place. The kernel says who comes; the private link is handed over through the connection, which
// stays open as the tether.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <sluice/result.hpp>

#include "links/meeting.hpp"

namespace sluice::inline v0::os::lobby {

// What the connection of the lobby is for after the handshake.
enum class Carries : bool {
  the_tether,  // nothing is said on it, and its end is the tether
  handles,     // those of messages travel on it, too (Meeting::carries_handles)
};

// What a mechanism brings along. Objects of the system that must have a name for a moment (a queue, a shared memory object) are
// made under names that begin with the one given here: letters, digits and '-', nobody can guess it, and it is recorded before
// the first object is made.
struct Guest {
  // The listener's side of a private link, for one meeting.
  std::function<std::unique_ptr<links::PrivateLink>(const std::string& objects)> make_link;
  // Unlinks what a killed listener may have left under the name that it had. Called while the place's lock is held.
  std::function<void(const std::string& objects)> sweep;
  Carries carries{Carries::the_tether};
};

// Listens in the lobby. not_supported (Step::check_options): `allow` is wider than the own user. invalid_endpoint: an empty or
// overlong place. Else as links::Mechanism::listen().
[[nodiscard]] Result<std::unique_ptr<links::Acceptor>> listen(std::string_view mechanism, const links::Place& place,
                                                              Guest guest);

// Dials there. `make_link` makes the connecting side's private link.
[[nodiscard]] Result<std::unique_ptr<links::Dialer>> dial(std::string_view mechanism, const links::Place& place,
                                                          std::function<std::unique_ptr<links::PrivateLink>()> make_link,
                                                          Carries carries = Carries::the_tether);

}  // namespace sluice::inline v0::os::lobby
