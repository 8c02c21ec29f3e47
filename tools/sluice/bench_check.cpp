// Sequence number, and words that follow from it: a message of a wrong number has no word in common with the right one.
#include "bench_check.hpp"

#include <algorithm>
#include <cstring>

namespace tool::bench {

namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::size_t kEnds = 2 * kWord;  // how much of each end is always there

// The word at byte offset `at`, a multiple of 8. The odd factors are those of SplitMix64: neighbouring numbers and places give
// words that differ in many bits, at the price of a multiplication.
constexpr std::uint64_t word_at(std::uint64_t sequence, std::size_t at) noexcept {
  if (at == 0) return sequence;
  return (sequence + 1) * 0x9E3779B97F4A7C15U + at * 0xBF58476D1CE4E5B9U;
}

// Calls `visit(place, word, length)` for each word of [from, to); the last one may be cut off by the message's end.
template <class Byte, class Visit>
bool each_word(std::span<Byte> message, std::size_t from, std::size_t to, std::uint64_t sequence, Visit visit) noexcept {
  std::size_t at = from;
  bool good = true;
  for (; at + kWord <= to; at += kWord) good &= visit(message.data() + at, word_at(sequence, at), kWord);
  if (at < to) good &= visit(message.data() + at, word_at(sequence, at), to - at);
  return good;
}

// Where the closing part begins: at a word, and behind the opening one.
constexpr std::size_t tail_of(std::size_t size) noexcept {
  if (size <= 2 * kEnds) return std::min(size, kEnds);
  return (size - kEnds) / kWord * kWord;
}

template <class Byte, class Visit>
bool each_part(std::span<Byte> message, std::uint64_t sequence, bool whole, Visit visit) noexcept {
  if (whole) return each_word(message, 0, message.size(), sequence, visit);
  const bool opening = each_word(message, 0, std::min(message.size(), kEnds), sequence, visit);
  return each_word(message, tail_of(message.size()), message.size(), sequence, visit) && opening;
}

}  // namespace

void write_content(std::span<std::byte> message, std::uint64_t sequence, bool whole) noexcept {
  (void)each_part(message, sequence, whole, [](std::byte* place, std::uint64_t word, std::size_t length) {
    std::memcpy(place, &word, length);
    return true;
  });
}

bool has_content(std::span<const std::byte> message, std::uint64_t sequence, bool whole) noexcept {
  return each_part(message, sequence, whole, [](const std::byte* place, std::uint64_t word, std::size_t length) {
    std::uint64_t found = word;
    std::memcpy(&found, place, length);
    return found == word;
  });
}

void Checker::take(std::span<const std::byte> message) noexcept {
  ++taken_;
  std::uint64_t sequence = 0;
  if (message.size() != size_ || message.size() < kWord) {
    ++errors_;
    ++expected_;
    return;
  }
  std::memcpy(&sequence, message.data(), kWord);
  const bool compares_whole = is_whole(sequence);
  if (compares_whole) ++whole_;
  if (sequence != expected_ || !has_content(message, sequence, compares_whole)) ++errors_;
  expected_ = sequence + 1;
}

std::optional<std::string> not_two_processes(std::int64_t own, std::int64_t told, std::optional<std::int64_t> vouched) {
  if (own == told || own == vouched)
    return "both ends are process " + std::to_string(own) + ": this would measure no communication between processes";
  if (vouched && *vouched != told)
    return "the other end says that it is process " + std::to_string(told) + ", and the system that it is " +
           std::to_string(*vouched);
  return std::nullopt;
}

}  // namespace tool::bench
