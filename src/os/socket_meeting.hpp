// Meetings over Unix sockets: the acceptor and the dialer of everything that meets there, be it the mechanism itself or the
// lobby.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <sluice/options.hpp>
#include <sluice/result.hpp>

#include "links/meeting.hpp"
#include "os/listening_socket.hpp"
#include "os/socket_file.hpp"

namespace sluice::inline v0::os {

// Makes what a mechanism adds to a meeting in the lobby; empty where the socket is the channel's own link.
using MakePrivateLink = std::function<std::unique_ptr<links::PrivateLink>()>;

[[nodiscard]] std::unique_ptr<links::Acceptor> make_socket_acceptor(ListeningSocket socket, std::string where, Allow allow,
                                                                    MakePrivateLink make_private_link = {});

// `locate` is asked anew at each attempt: a listener that comes later may make the folder first.
[[nodiscard]] std::unique_ptr<links::Dialer> make_socket_dialer(std::function<Result<SocketFile>()> locate, Allow allow,
                                                                MakePrivateLink make_private_link = {});

}  // namespace sluice::inline v0::os
