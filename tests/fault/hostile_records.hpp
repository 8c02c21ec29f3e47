// Records in a stream that no Sluice peer writes.
#pragma once

#include <cstdint>
#include <vector>

#include "raw_peer.hpp"

namespace sluice_test {

struct Attack {
  const char* what;
  Wire bytes;
};

// One record and its payload.
inline Wire record(RawKind kind, std::uint32_t length, std::size_t payload, std::uint32_t back = 0, std::uint32_t bits = 0) {
  return Wire{}.u64(raw_header(kind, length, back, bits)).zeros(payload);
}

// What no Sluice peer writes, in a stream and, cut into packets, in packets as well. Each breaks the channel.
inline std::vector<Attack> broken_records(std::uint64_t max_message) {
  std::vector<Attack> attacks{
      {"kind 6", record(RawKind::six, 10, 10)},
      {"kind 7", record(RawKind::seven, 10, 10)},
      {"kind 0", record(RawKind::none, 10, 10)},
      {"a filler", record(RawKind::filler, 0, 0)},
      {"a turn", record(RawKind::data, 10, 10, 0, kRawTurn)},
      {"the home bit", record(RawKind::data, 10, 10, 0, kRawHome)},
      {"the handles bit", record(RawKind::data, 10, 10, 0, kRawHandles)},
      {"an empty piece", record(RawKind::piece, 0, 0)},
      {"a last piece without a first", record(RawKind::last_piece, 10, 10)},
      {"data between pieces", record(RawKind::piece, 10, 10).append(record(RawKind::data, 10, 10))},
      {"an empty last piece", record(RawKind::piece, 10, 10).append(record(RawKind::last_piece, 0, 0))},
      {"a short control record", record(RawKind::control, 15, 15)},
      {"an empty control record", record(RawKind::control, 0, 0)},
      {"an unknown word", raw_control(77)},
      {"a word of the handshake", raw_control(word::kReady)},
      {"more messages taken than were sent", record(RawKind::control, 16, 0, 1000).u32(word::kTaken).u32(1000).u64(0)},
  };
  attacks.push_back({"more than the largest message", record(RawKind::piece, 60'000, 60'000)});
  // Pieces that exceed it together; of the last one, its header is enough.
  for (std::uint64_t total = 120'000; total <= max_message; total += 60'000)
    attacks.back().bytes.append(record(RawKind::piece, 60'000, 60'000));
  attacks.back().bytes.append(record(RawKind::piece, 60'000, 0));
  return attacks;
}

}  // namespace sluice_test
