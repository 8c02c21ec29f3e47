// What a command of the peer says about the messages that it is about, and how those are checked.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

#include "content.hpp"
#include "handles.hpp"
#include "interpreter.hpp"

namespace sluice_test {

using Progress = Interpreter::Progress;

[[nodiscard]] inline std::uint64_t seed_of(const Interpreter& interpreter, const Words& words) {
  return interpreter.identity().seed ^ mix(words.number("stream"));
}

[[nodiscard]] inline Sizes sizes_of(const Words& words) { return {words.number("size"), words.number("mixed")}; }

// The bytes of message `number`: text=1 keeps those out that delimit messages.
[[nodiscard]] inline Content content_of(const Words& words, std::uint64_t seed, std::uint64_t number) {
  return {seed, number, words.has("text")};
}

// How many handles go with each message; none if the command doesn't say.
[[nodiscard]] inline HandleCounts handle_counts_of(const Words& words) { return HandleCounts::of(words.text("handles", "0")); }

// Compares one message with what must come; throws what is wrong with it.
inline void check(const Words& words, std::uint64_t seed, std::uint64_t number, std::span<const std::byte> bytes) {
  Words wrong;
  wrong.set("message", number);
  if (words.has("size") || words.has("mixed")) {
    const std::size_t expected = sizes_of(words).of(seed, number);
    wrong.set("size", bytes.size());
    wrong.set("expected", expected);
    if (bytes.size() != expected) throw Failure{"wrong_size", wrong};
  }
  const std::size_t at = content_of(words, seed, number).first_difference(bytes);
  wrong.set("offset", at);
  if (at != Content::kSame) throw Failure{"wrong_content", wrong};
}

inline void check_handles(const Words& words, std::uint64_t seed, std::uint64_t number,
                          std::span<const sluice::Handle> handles) {
  const std::string wrong = wrong_handles(handle_counts_of(words), seed, number, handles);
  if (wrong.empty()) return;
  std::fprintf(stderr, "%s\n", wrong.c_str());
  throw Failure{"wrong_handles", {}};
}

}  // namespace sluice_test
