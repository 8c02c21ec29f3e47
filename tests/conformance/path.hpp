// The path of a payload, judged by the system calls that were traced while it crossed: the proof, apart from the tests that use
// it, so that the harness can show that it finds what is wrong.
#pragma once

#include <sluice/sluice.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "system_calls.hpp"

namespace sluice_test {

// The calls by which the payload of a shape goes, on which kind of file. A region's goes by none.
struct OwnCalls {
  std::string_view mechanism;  // empty: of the others of that shape
  sluice::Shape shape;
  const char* sends;
  const char* receives;
  const char* file;
};
inline constexpr OwnCalls kOwnCalls[] = {
    {"pipe", sluice::Shape::stream, "pwritev2", "readv", "pipe"},
    {"", sluice::Shape::stream, "sendmsg", "recvmsg", "socket"},
    {"", sluice::Shape::packets, "mq_timedsend", "mq_timedreceive", "file"},
    {"", sluice::Shape::region, "", "", ""},
};

[[nodiscard]] inline OwnCalls own_calls(sluice::Shape shape, std::string_view mechanism) {
  for (const auto& own : kOwnCalls)
    if (own.shape == shape && (own.mechanism.empty() || own.mechanism == mechanism)) return own;
  return {};
}

// What the trace of one end shows that must not be, or doesn't show that must be, when `payload` bytes went each way; empty if
// the path is proved.
[[nodiscard]] inline std::vector<std::string> faults_of_path(const std::map<CallKey, Moved>& moved, sluice::Shape shape,
                                                             std::uint64_t payload, std::string_view mechanism = {}) {
  // What may go elsewhere: the handshake, whose frames are at most 4 KiB each; at least a hello of 64 bytes each way goes.
  constexpr std::uint64_t kHandshake = 16 * 1024;
  constexpr std::uint64_t kHello = 64;
  // A ring of the doorbell, by send(2), is a byte; several that were not heard yet are silenced in one call.
  constexpr std::uint64_t kRing = 1;
  constexpr std::uint64_t kRings = 256;

  std::vector<std::string> faults;
  const auto own = own_calls(shape, mechanism);
  std::uint64_t elsewhere = 0;
  std::uint64_t on_link = 0;  // and on sockets, where the handshake of the others goes
  std::string others;
  for (const auto& [key, what] : moved) {
    const std::string line = key.call + " on " + key.file + ": " + std::to_string(what.bytes) + " bytes";
    if (key.file == own.file && (key.call == own.sends || key.call == own.receives)) {
      on_link += what.bytes;
      if (what.bytes < payload) faults.push_back(line + ", less than the payload");
      if (what.bytes >= payload + payload / 50 + kHandshake) faults.push_back(line + ", more than payload and headers");
    } else if (shape == sluice::Shape::region && (key.call == "sendto" || key.call == "recvfrom") && key.file == "socket") {
      if (what.most > (key.call == "sendto" ? kRing : kRings)) faults.push_back(line + ": a doorbell carries no data");
    } else {
      if (key.file == "socket") on_link += what.bytes;
      elsewhere += what.bytes;
      others += " " + line + ";";
    }
  }
  if (elsewhere >= kHandshake) faults.push_back("elsewhere:" + others);
  // A trace that is empty, or that nobody could read, proves nothing.
  if (on_link <= kHello) faults.push_back("the trace does not even show the handshake");
  if (own.sends[0] != '\0')
    for (const char* call : {own.sends, own.receives})
      if (!moved.contains({call, own.file})) faults.push_back(std::string(call) + " was never called");
  return faults;
}

}  // namespace sluice_test
