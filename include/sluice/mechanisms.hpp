// The table of mechanisms: what each promises, and what this machine has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/export.hpp>

namespace sluice::inline v0 {

// The three shapes of link.
enum class Shape : std::uint8_t { stream, packets, region };

// How far a mechanism reaches.
enum class Reach : std::uint8_t { this_process, this_session, this_machine, guests, network, many_machines };

// What a message that was sent before its sender's death can still count on.
enum class AfterDeath : std::uint8_t {
  all,             // every whole message is still received, then peer_died
  delivered_only,  // what the dead side's kernel had not delivered may be lost (tcp)
};

// What a channel, with its options, can do and promises.
struct Traits {
  std::string_view mechanism;  // "unix", "mq" …
  Shape shape{Shape::stream};
  Reach reach{Reach::this_machine};
  std::uint64_t max_message{0};  // the largest message, in bytes, that both ends accept
  bool handles{false};           // OS handles travel with messages
  bool identity{false};          // peer() says who the other end is, vouched for by the system
  bool lobby{false};             // the ends met through a Unix socket or pipe, which stays open as their tether
  bool truncatable{false};       // a peer of the same user can cut the memory under our mapping (SIGBUS)
  bool one_process{false};       // both ends live in one process
  AfterDeath after_death{AfterDeath::all};
  int threads{0};              // helper threads of the library behind one channel
  std::size_t packet_size{0};  // packets: the largest packet of the mechanism itself, in bytes
  // Bytes that one direction holds. Of a channel: in the shape region the size of its ring, else 0, for there the system
  // decides. In a row of the table: what the system's defaults come to where that is known, else 0.
  std::size_t capacity{0};
  std::string_view framing{"sluice"};  // what goes over the wire: records of ours, or a foreign framing (protocol.md)
  std::string_view fallback;           // local: why it stayed on its socket; empty where it didn't
};

// One row of the table of mechanisms.
struct MechanismInfo {
  std::string_view name;     // the word before the colon of an endpoint
  std::string_view systems;  // "linux", "linux macos", "linux macos windows" …
  std::string_view link;     // "stream", "packets", "region", "region + stream" …
  std::string_view where;    // what stands behind the colon, in a few words
  Traits traits;             // what is promised here with default options
  bool built_in{false};      // this library contains the mechanism's code
  bool available{false};     // a probe moved a message through a real pair, just now
  std::string why_not;       // empty if available, else the reason and what to do
};

// All rows, on every system, in the order of the documentation. Each mechanism that is built in is probed: that takes some
// milliseconds. Thread-safe; throws nothing but std::bad_alloc.
[[nodiscard]] SLUICE_API std::vector<MechanismInfo> mechanisms();

[[nodiscard]] SLUICE_API std::string_view name(Shape shape) noexcept;  // "stream", "packets", "region"
[[nodiscard]] SLUICE_API std::string_view name(Reach reach) noexcept;  // "this machine", "network" …

}  // namespace sluice::inline v0
