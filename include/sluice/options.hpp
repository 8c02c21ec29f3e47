// Options of listen() and connect(). What stands in the endpoint's text as well is misuse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace sluice::inline v0 {

// Who may be at the other end.
enum class Allow : std::uint8_t {
  same_user,  // only processes of this process's user; where the system can't tell who is there (beyond the loopback of a
              // network mechanism), listen and connect answer access_denied
  anyone,     // whoever can reach the endpoint; mechanisms that meet in the lobby answer not_supported
};

struct Options {
  // The largest message that this end accepts, in bytes; default 64 MiB. In the text: max_message=128M (K, M, G: 1024^n).
  std::optional<std::size_t> max_message;
  // Room in the channel, in bytes for each direction, where the mechanism lets one choose; default: the mechanism's own.
  std::optional<std::size_t> capacity;
  // The most handles with one message that this end accepts, 0 … 253; default 16. Mechanisms that carry none ignore it. With 0
  // what a peer sends all the same is discarded by the system, without being opened here. In the text: max_handles=4.
  std::optional<std::size_t> max_handles;
  // Who may be at the other end; default same_user. In the text: allow=anyone.
  std::optional<Allow> allow;
  // connect() waits until its deadline for a listener to appear, instead of answering not_found at once.
  bool wait_for_listener{false};
};

}  // namespace sluice::inline v0
