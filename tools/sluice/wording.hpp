// How messages are written on standard input and output: as lines, ended by NUL, as one blob, or as JSON objects. Pure: text to
// messages and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sluice/channel.hpp>

namespace tool {

enum class Form : std::uint8_t {
  lines,  // each ends with LF, which isn't part of it; the last one need not
  nul,    // the same with NUL
  blob,   // in: everything is one message; out: one after the other, with nothing between
  json,   // a line is an object: "text", or "base64" where it is no UTF-8; out: with its size and who sent it
};

// Messages out of a stream of bytes, as they come.
class Splitter {
 public:
  explicit Splitter(Form form) noexcept : form_(form) {}

  // More has come; `most`: the largest message that can be used. What is longer becomes an error of next().
  void feed(std::span<const std::byte> bytes) { text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); }
  // Nothing more will come.
  void end() noexcept { ended_ = true; }
  [[nodiscard]] bool has_ended() const noexcept { return ended_; }

  // The next message that is whole; nothing: more has to come, or all were given. In words why there is none: it is no such
  // object, or longer than `most`.
  [[nodiscard]] std::expected<std::optional<std::string>, std::string> next(std::uint64_t most);

 private:
  [[nodiscard]] std::optional<std::string_view> next_piece();

  Form form_;
  std::string text_;  // not given yet, from begin_
  std::size_t begin_{0};
  std::size_t looked_{0};  // no delimiter before it
  std::uint64_t pieces_{0};
  bool ended_{false};
  bool blob_given_{false};
};

// A message as it is printed, with what ends it.
[[nodiscard]] std::string printed(Form form, std::span<const std::byte> message, const sluice::Peer& from);

[[nodiscard]] std::string base64(std::span<const std::byte> bytes);
// Nothing if that is no base64 (RFC 4648, section 4, with padding).
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace tool
