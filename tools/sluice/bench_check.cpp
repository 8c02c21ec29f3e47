// Sequence number, and words that follow from it: a message of a wrong number has no word in common with the right one.
#include "bench_check.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tool::bench {

namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::size_t kEnds = 2 * kWord;  // how much of each end is always there
constexpr std::size_t kWindow = 64;       // and of what is between them

// The word at byte offset `at`, a multiple of 8 and not 0. The odd factors are those of SplitMix64: neighbouring numbers and
// places give words that differ in many bits, at the price of a multiplication; from one place to the next it is an addition.
constexpr std::uint64_t kStep = 0xBF58476D1CE4E5B9U * kWord;
constexpr std::uint64_t word_at(std::uint64_t sequence, std::size_t at) noexcept {
  return (sequence + 1) * 0x9E3779B97F4A7C15U + at / kWord * kStep;
}

// Calls `visit(place, word, length)` for each word of [from, to), and joins what it returns: bits that are wrong. The last word
// may be cut off by the message's end.
template <class Byte, class Visit>
std::uint64_t each_word(std::span<Byte> message, std::size_t from, std::size_t to, std::uint64_t sequence,
                        Visit visit) noexcept {
  Byte* const bytes = message.data();
  std::uint64_t word = word_at(sequence, from);
  std::uint64_t wrong = 0;
  std::size_t at = from;
  for (; at + kWord <= to; at += kWord, word += kStep) wrong |= visit(bytes + at, word, kWord);
  if (at < to) wrong |= visit(bytes + at, word, to - at);
  return wrong;
}

// Where the closing part begins: at a word, and behind the opening one.
constexpr std::size_t tail_of(std::size_t size) noexcept {
  if (size <= 2 * kEnds) return std::min(size, kEnds);
  return (size - kEnds) / kWord * kWord;
}

struct Part {
  std::size_t from;
  std::size_t to;
};

// What is there of a message's middle. It moves on with the number, and begins anew after a power of two, for a division would
// take as long as some of the calls that are measured; the last place is had several times in a round.
constexpr Part window_of(std::size_t size, std::uint64_t sequence) noexcept {
  const std::size_t tail = tail_of(size);
  if (tail <= kEnds + kWindow) return {kEnds, tail};
  const std::size_t places = std::bit_ceil((tail - kEnds + kWindow - 1) / kWindow);
  const std::size_t from = std::min(kEnds + (sequence & (places - 1)) * kWindow, tail - kWindow);
  return {from, from + kWindow};
}

template <class Byte, class Visit>
std::uint64_t each_part(std::span<Byte> message, std::uint64_t sequence, bool whole, Visit visit) noexcept {
  const std::size_t size = message.size();
  std::uint64_t wrong = visit(message.data(), sequence, kWord);
  if (whole) return wrong | each_word(message, kWord, size, sequence, visit);
  const Part window = window_of(size, sequence);
  wrong |= each_word(message, kWord, std::min(size, kEnds), sequence, visit);
  wrong |= each_word(message, window.from, window.to, sequence, visit);
  return wrong | each_word(message, tail_of(size), size, sequence, visit);
}

}  // namespace

void write_content(std::span<std::byte> message, std::uint64_t sequence, bool whole) noexcept {
  (void)each_part(message, sequence, whole, [](std::byte* place, std::uint64_t word, std::size_t length) {
    std::memcpy(place, &word, length);
    return std::uint64_t{0};
  });
}

bool has_content(std::span<const std::byte> message, std::uint64_t sequence, bool whole) noexcept {
  return each_part(message, sequence, whole, [](const std::byte* place, std::uint64_t word, std::size_t length) {
           std::uint64_t found = word;
           std::memcpy(&found, place, length);
           return found ^ word;
         }) == 0;
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
