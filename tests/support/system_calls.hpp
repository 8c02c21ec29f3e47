// Which system calls a process moved bytes by: the peer runs below strace(1), and its log is added up here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sluice_test {

// Why calls can't be traced here; empty if they can.
[[nodiscard]] std::string why_no_trace();

// What to start a peer below, so that all calls by which bytes could go are logged.
[[nodiscard]] std::vector<std::string> below_trace(const std::string& log);

// One family of calls on one kind of file: "sendmsg" on "socket", "sendto" on "socket", "mq_timedsend" on "/…".
struct Moved {
  std::uint64_t calls{0};
  std::uint64_t bytes{0};
  std::uint64_t most{0};  // bytes of one call
};
struct CallKey {
  std::string call;
  std::string file;
  friend auto operator<=>(const CallKey&, const CallKey&) = default;
};

// Adds a log up, without the calls on descriptor `but`.
[[nodiscard]] std::map<CallKey, Moved> read_trace(const std::string& log, int but);

}  // namespace sluice_test
