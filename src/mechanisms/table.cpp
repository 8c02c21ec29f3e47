// The table of mechanisms: one row, one line for each, platform-free and compiled on every system. It stands on links/ alone.
// The build reads the rows too (cmake/mechanisms.cmake): a mechanism is built in where its row names the system and
// src/mechanisms/NAME.cpp exists. A row without a file is not written yet. So a row stays on one line, and begins with its
// name and its systems.
#include <array>

#include "links/mechanism.hpp"

namespace sluice::inline v0::links {

namespace {

// What a row promises beyond its shape, with default options (Traits has the words).
enum Promise : unsigned {
  kNothing = 0,
  kIdentity = 1U << 0U,
  kLobby = 1U << 1U,
  kTruncatable = 1U << 2U,
  kOneProcess = 1U << 3U,
  kDeliveredOnly = 1U << 4U,  // AfterDeath::delivered_only
  kHelperThread = 1U << 5U,
  kHandles = 1U << 6U,
};

struct Limits {
  std::size_t packet_size{0};
  std::size_t capacity{0};
};

// POSIX message queues as Linux makes them for everybody: msgsize_max and msg_max (mq_overview(7), "/proc interfaces").
constexpr Limits kMessageQueue{.packet_size = 8192, .capacity = std::size_t{10} * 8192};

// What Linux lets both ends of a TCP connection hold at most: 4 MiB at the sender (tcp(7), tcp_wmem), 6 MiB at the receiver
// (tcp_rmem), unless its administrator says otherwise.
constexpr Limits kTcpBuffers{.capacity = std::size_t{10} << 20};

constexpr Traits promises(Shape shape, unsigned promised, Limits limits = {}) {
  Traits traits;
  traits.shape = shape;
  traits.handles = (promised & kHandles) != 0;
  traits.identity = (promised & kIdentity) != 0;
  traits.lobby = (promised & kLobby) != 0;
  traits.truncatable = (promised & kTruncatable) != 0;
  traits.one_process = (promised & kOneProcess) != 0;
  traits.after_death = (promised & kDeliveredOnly) != 0 ? AfterDeath::delivered_only : AfterDeath::all;
  traits.threads = (promised & kHelperThread) != 0 ? 1 : 0;
  traits.packet_size = limits.packet_size;
  traits.capacity = limits.capacity;
  return traits;
}

// clang-format off: one row, one line
constexpr auto kRows = std::to_array<Row>({
    // name, systems, link, where, meet, reach, promised, options
    {"local", "linux macos windows", "region + stream", "a name; the best that both sides have", Meet::lobby, Reach::this_machine, promises(Shape::region, kIdentity | kLobby | kHandles), "link"},
    {"inproc", "linux macos windows", "any of the three, by option", "a name; both ends in one process", Meet::accept, Reach::this_process, promises(Shape::region, kOneProcess), "link packet depth deliver send chop outbox buffer backed"},
    {"unix", "linux macos windows", "stream", "a socket file; @name: none (Linux)", Meet::accept, Reach::this_machine, promises(Shape::stream, kIdentity | kHandles), ""},
    {"seqpacket", "linux", "packets", "a socket file", Meet::accept, Reach::this_machine, promises(Shape::packets, kIdentity), ""},
    {"tcp", "linux macos windows", "stream", "host:port; port 0 picks one", Meet::accept, Reach::network, promises(Shape::stream, kDeliveredOnly, kTcpBuffers), "keepalive"},
    {"pipe", "linux macos windows", "stream x 2", "nothing: anonymous, for a child", Meet::inherited, Reach::this_machine, promises(Shape::stream, kNothing), ""},
    {"fifo", "linux macos", "stream x 2", "a path for FIFO files", Meet::lobby, Reach::this_machine, promises(Shape::stream, kIdentity | kLobby), ""},
    {"shm", "linux macos windows", "region", "a name", Meet::lobby, Reach::this_machine, promises(Shape::region, kIdentity | kLobby | kTruncatable), ""},
    {"sysvshm", "linux macos", "region", "a key or path", Meet::lobby, Reach::this_machine, promises(Shape::region, kIdentity | kLobby), ""},
    {"file", "linux macos windows", "region", "a file", Meet::lobby, Reach::this_machine, promises(Shape::region, kIdentity | kLobby | kTruncatable), ""},
    {"mq", "linux", "packets", "/name of POSIX message queues", Meet::lobby, Reach::this_machine, promises(Shape::packets, kIdentity | kLobby, kMessageQueue), ""},
    {"sysvmq", "linux macos", "packets", "a key or path", Meet::lobby, Reach::this_machine, promises(Shape::packets, kIdentity | kLobby), ""},
    {"vsock", "linux", "stream", "cid:port", Meet::accept, Reach::guests, promises(Shape::stream, kNothing), ""},
    {"dbus", "linux", "packets", "a bus name", Meet::accept, Reach::this_machine, promises(Shape::packets, kIdentity), ""},
    {"mach", "macos", "packets", "a bootstrap name", Meet::accept, Reach::this_machine, promises(Shape::packets, kIdentity), ""},
    {"xpc", "macos", "packets", "a launchd Mach service", Meet::accept, Reach::this_machine, promises(Shape::packets, kIdentity | kHelperThread), ""},
    {"copydata", "windows", "packets", "a name of a message-only window", Meet::accept, Reach::this_session, promises(Shape::packets, kIdentity | kHelperThread), ""},
    {"npipe", "windows", "packets or stream", "name, or //host/name", Meet::accept, Reach::network, promises(Shape::packets, kIdentity), ""},
    {"msrpc", "windows", "packets", "an RPC string binding", Meet::accept, Reach::network, promises(Shape::packets, kIdentity | kHelperThread), ""},
    {"mailslot", "windows", "packets, one way", "a name; best effort, one to many", Meet::accept, Reach::network, promises(Shape::packets, kNothing), ""},
});
// clang-format on

}  // namespace

std::span<const Row> table() noexcept { return kRows; }

const Row* find_row(std::string_view name) noexcept {
  for (const Row& row : kRows)
    if (row.name == name) return &row;
  return nullptr;
}

}  // namespace sluice::inline v0::links
