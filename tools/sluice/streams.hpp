// Streams of bytes that an event loop moves along: standard input and output, and those of a program that the tool has started.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <span>
#include <string>

#include <sluice/waitable.hpp>

namespace tool {

class InStream {
 public:
  virtual ~InStream() = default;

  // Readable when read() has something.
  [[nodiscard]] virtual sluice::Waitable waitable() const noexcept = 0;
  // What is there, waiting for the first byte: how many bytes, 0 at the end; or why not, in words.
  [[nodiscard]] virtual std::expected<std::size_t, std::string> read(std::span<std::byte> room) = 0;
};

class OutStream {
 public:
  virtual ~OutStream() = default;

  // Readable when write() takes something; none where write() waits itself.
  [[nodiscard]] virtual sluice::Waitable waitable() const noexcept = 0;
  // How many bytes it has taken now, perhaps none; or why not, in words. Raises no signal.
  [[nodiscard]] virtual std::expected<std::size_t, std::string> write(std::span<const std::byte> bytes) = 0;
};

[[nodiscard]] std::unique_ptr<InStream> standard_input();
[[nodiscard]] std::unique_ptr<OutStream> standard_output();

// A program that a shell runs, with its standard input and output here, and our standard error.
class Program {
 public:
  virtual ~Program() = default;  // waits for its end

  std::unique_ptr<OutStream> input;  // close it to end its standard input
  std::unique_ptr<InStream> output;

  // Tells it to end (SIGTERM), which it may ignore.
  virtual void terminate() noexcept = 0;
  // Waits for its end: empty if it was well, else how it ended, in words.
  [[nodiscard]] virtual std::string wait() = 0;
  [[nodiscard]] virtual bool has_ended() = 0;
};

[[nodiscard]] std::expected<std::unique_ptr<Program>, std::string> start_program(const std::string& command);

}  // namespace tool
