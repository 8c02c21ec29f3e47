// A test's hold of the other end: sends commands, waits for answers, kills. The other end is a process of its own
// (sluice-test-peer), or, for a mechanism whose two ends live in one process, a thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "control.hpp"
#include "interpreter.hpp"
#include "process.hpp"

namespace sluice_test {

// What a peer answered.
struct Reply {
  bool done{false};
  std::string code;  // the verb, or why it failed: an Errc's name, "no_answer", "peer_gone", "wrong_content" …
  Words words;

  [[nodiscard]] explicit operator bool() const noexcept { return done; }
  [[nodiscard]] std::uint64_t number(std::string_view key) const { return words.number(key); }
  [[nodiscard]] std::string text(std::string_view key) const { return words.text(key); }
};
std::ostream& operator<<(std::ostream& out, const Reply& reply);

class Peer {
 public:
  struct Start {
    std::string endpoint;
    std::uint64_t seed{0};
    bool own_process{true};
    std::vector<std::string> options;      // of sluice-test-peer
    std::vector<std::string> below;        // a command that starts it, such as strace and its options
    std::vector<std::string> environment;  // NAME=value
  };

  // Starts it and waits until it answers. Throws std::runtime_error if it doesn't.
  explicit Peer(const Start& start);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  // Ends it, however it is.
  ~Peer();

  // The peer's process: as it says itself, over the control connection.
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] bool is_own_process() const noexcept { return process_ != nullptr; }
  // The process that was started: the peer, or what it runs below.
  [[nodiscard]] Process& process() { return *process_; }

  // A command and its answer. The answer must come within patience() (longer, if the peer says that it still moves).
  Reply call(std::string_view command, std::string_view lane = "main");
  // The same in two steps, so that the test can do its own part meanwhile.
  using Ticket = std::uint64_t;
  Ticket start(std::string_view command, std::string_view lane = "main");
  // … with handles for it, which are borrowed.
  Ticket start(std::string_view command, std::span<const sluice::Handle> handles);
  Reply finish(Ticket ticket);
  // Whether the answer is there already.
  bool has_answered(Ticket ticket);

  void kill() const;
  // SIGSTOP, and waits until all its threads stand still; SIGCONT.
  void stop() const;
  void resume() const;
  // Ends the control connection and waits for the peer to close its channels and end: its exit status, -1 if it did not.
  int end();
  [[nodiscard]] bool has_ended() const noexcept { return ended_; }

 private:
  void take_line(const std::string& line);

  ControlSocket control_;
  std::unique_ptr<Process> process_;
  std::thread thread_;
  pid_t pid_{-1};
  Ticket last_ticket_{0};
  std::map<Ticket, Reply> answers_;
  bool gone_{false};
  bool ended_{false};
};

}  // namespace sluice_test
