// Meetings over Unix sockets: the acceptor and the dialer of everything that meets there, be it the mechanism itself or the
// lobby.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sluice/options.hpp>
#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/meeting.hpp"
#include "os/listening_socket.hpp"
#include "os/socket_file.hpp"

namespace sluice::inline v0::os {

// What a mechanism adds to a meeting in the lobby; nothing where the socket is the channel's own link.
struct InLobby {
  std::function<std::unique_ptr<links::PrivateLink>()> make_private_link;
  bool carries_handles{false};  // as Meeting::carries_handles
};

[[nodiscard]] std::unique_ptr<links::Acceptor> make_socket_acceptor(ListeningSocket socket, std::string where, Allow allow,
                                                                    InLobby in_lobby = {});

// `locate` is asked anew at each attempt: a listener that comes later may make the folder first.
[[nodiscard]] std::unique_ptr<links::Dialer> make_socket_dialer(std::function<Result<SocketFile>()> locate, Allow allow,
                                                                InLobby in_lobby = {});
// The same where there is no file: `connect` as SocketFile::connect().
[[nodiscard]] std::unique_ptr<links::Dialer> make_fileless_dialer(std::function<Result<links::Descriptor>()> connect,
                                                                  Allow allow);

// Two ends that were made together (socketpair(2)), as links::Mechanism::make_ends() wants them: ours has a private link where
// `in_lobby` says how to make one.
[[nodiscard]] Result<links::Ends> make_socket_ends(const InLobby& in_lobby = {});

// Takes a connected Unix stream socket that was handed over, as links::Mechanism::take_end() wants it. The peer is the process
// that made the connection (unix(7), SO_PEERCRED); it may have handed its end on, so that its death is not the end's: the
// hang-up alone is the tether.
[[nodiscard]] Result<links::Meeting> take_socket_end(std::vector<links::Descriptor> handles, Allow allow,
                                                     const InLobby& in_lobby = {});

// Listens with a Unix stream socket that listens already.
[[nodiscard]] Result<std::unique_ptr<links::Acceptor>> adopt_listening_socket(links::Descriptor listening, std::string where,
                                                                              Allow allow);

}  // namespace sluice::inline v0::os
