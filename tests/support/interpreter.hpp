// The peer's side of a test: takes commands from the control connection and does them with the library, as any program would.
// The test peer runs it in a process of its own; for mechanisms that stay in one process it runs on a thread of the test.
//
// Commands of one lane follow each other, lanes run side by side (each is a thread). The commands: channel_commands.cpp,
// several_commands.cpp, process_commands.cpp.
#pragma once

#include <sluice/sluice.hpp>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "control.hpp"

namespace sluice_test {

// A command that could not be done: the word behind `failed` and what else the answer says.
struct Failure {
  std::string code;
  Words words;
};
[[nodiscard]] Failure failure_of(const sluice::Error& error, Words words = {});

// The deadline that a command names: `never`, `now`, or milliseconds from now.
[[nodiscard]] sluice::Deadline deadline_of(const Words& words, std::string_view key = "deadline");

class Interpreter {
 public:
  struct Identity {
    std::string role;  // free text, for people
    std::string endpoint;
    std::uint64_t seed{0};
    bool own_process{true};
  };

  Interpreter(ControlSocket control, Identity identity);
  ~Interpreter();

  // Takes commands until the control connection ends; then closes everything, so that no lane waits any more.
  void run();

  // ---- what commands use -------------------------------------------------------------------------------------------------
  [[nodiscard]] const Identity& identity() const noexcept { return identity_; }
  // Throws Failure if there is none of that name.
  [[nodiscard]] std::shared_ptr<sluice::Channel> channel(const Words& words);
  void keep_channel(const Words& words, sluice::Channel channel);
  std::shared_ptr<sluice::Channel> take_channel(const Words& words);
  [[nodiscard]] std::shared_ptr<sluice::Listener> listener();
  void keep_listener(std::shared_ptr<sluice::Listener> listener);
  // Those that came with commands so far, and were not taken yet.
  [[nodiscard]] std::vector<sluice::Handle> take_handles();
  void hold(sluice::Message message);
  void look_at_held(const std::function<void(const sluice::Message&)>& look);
  void release_held(bool newest_first);
  // One at a time; without, drops it.
  void keep_loan(std::optional<sluice::Loan> loan);
  [[nodiscard]] std::optional<sluice::Loan> take_loan();
  // Forgets all channels and the listener: their destructors close them.
  void drop_everything();
  [[nodiscard]] int control() const noexcept { return control_.fd(); }

  // Says that a long command still moves.
  using Progress = std::function<void()>;
  using Command = std::function<Words(Interpreter&, const Words&, const Progress&)>;

 private:
  struct Lane {
    std::thread thread;
    std::deque<std::string> lines;
    std::condition_variable arrived;
  };

  void run_lane(Lane& lane);
  void do_line(const std::string& line);
  void say(const std::string& line);

  ControlSocket control_;
  Identity identity_;
  std::mutex say_mutex_;
  std::mutex mutex_;
  bool ending_{false};
  std::map<std::string, std::unique_ptr<Lane>> lanes_;
  std::map<std::string, std::shared_ptr<sluice::Channel>> channels_;
  std::shared_ptr<sluice::Listener> listener_;
  std::vector<sluice::Message> held_;
  std::optional<sluice::Loan> loan_;
  std::vector<sluice::Handle> handles_;
};

using CommandTable = std::map<std::string, Interpreter::Command, std::less<>>;
[[nodiscard]] const CommandTable& channel_commands();
[[nodiscard]] const CommandTable& several_commands();
[[nodiscard]] const CommandTable& process_commands();

}  // namespace sluice_test
