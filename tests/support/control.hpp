// The control connection between a test and its peer: lines of text over a socket of its own, which the library under test
// never sees. A command is `ID LANE VERB key=value …`, an answer `ID done|failed|progress WORD key=value …`.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "machine.hpp"

namespace sluice_test {

// Key-value words of a line. Values hold no blanks: what might is encoded by the sender.
class Words {
 public:
  Words() = default;
  // Reads `key=value key=value …`.
  explicit Words(std::string_view text);

  void set(std::string_view key, std::string_view value) { words_[std::string(key)] = value; }
  void set(std::string_view key, std::uint64_t value) { set(key, std::to_string(value)); }

  [[nodiscard]] bool has(std::string_view key) const { return words_.contains(key); }
  [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise = {}) const;
  [[nodiscard]] std::uint64_t number(std::string_view key, std::uint64_t otherwise = 0) const;
  [[nodiscard]] std::string line() const;
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& all() const noexcept { return words_; }

 private:
  std::map<std::string, std::string, std::less<>> words_;
};

// One line each way. Sending may come from several threads (one line is one write); receiving from one.
class ControlSocket {
 public:
  ControlSocket() = default;
  explicit ControlSocket(int fd) noexcept : fd_(fd) {}
  ControlSocket(ControlSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
  ControlSocket& operator=(ControlSocket&& other) noexcept;
  ~ControlSocket() { close(); }

  // Two connected ends, close-on-exec.
  static std::pair<ControlSocket, ControlSocket> pair();

  // False when the other end is gone. `handles` (borrowed) go with the line.
  bool send(std::string_view line, std::span<const int> handles = {}) const;
  // The next line without its end; nothing when the other end is gone, or nothing came for `wait` (then timed_out() is true).
  // Without `wait` it waits for ever, in one read without time-out.
  std::optional<std::string> receive(std::optional<milliseconds> wait = std::nullopt);
  // The handles that came with the lines received so far: the caller closes them.
  [[nodiscard]] std::vector<int> take_handles() noexcept { return std::exchange(handles_, {}); }
  [[nodiscard]] bool timed_out() const noexcept { return timed_out_; }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void close() noexcept;
  // Ends a receive() of the other side, and ours, without giving the descriptor back.
  void shut_down() const noexcept;

 private:
  static constexpr std::size_t kMostHandles = 8;  // with one line
  ssize_t receive_some();

  int fd_{-1};
  std::string buffer_;
  std::vector<int> handles_;
  bool timed_out_{false};
};

}  // namespace sluice_test
