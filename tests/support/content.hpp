// What messages consist of: bytes and sizes that follow from a seed and the message's number, so that the receiver knows what
// must come, in another process, without being told.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

namespace sluice_test {

// A well-mixed function of one number (the finisher of splitmix64).
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t number) noexcept {
  number += 0x9E3779B97F4A7C15U;
  number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9U;
  number = (number ^ (number >> 27)) * 0x94D049BB133111EBU;
  return number ^ (number >> 31);
}

// Random numbers from a seed: the same on every system.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(mix(seed)) {}
  std::uint64_t next() noexcept { return mix(state_++); }
  // 0 … limit - 1.
  std::uint64_t below(std::uint64_t limit) noexcept { return limit == 0 ? 0 : next() % limit; }

 private:
  std::uint64_t state_;
};

// The bytes of message `number` of a stream of messages.
class Content {
 public:
  static constexpr std::size_t kSame = std::numeric_limits<std::size_t>::max();

  // `as_text`: bytes 0x20 … 0x3F and 0x60 … 0x7F alone, none of which ends a line or a string.
  Content(std::uint64_t seed, std::uint64_t number, bool as_text = false) noexcept
      : base_(mix(seed) ^ mix(~number)),
        kept_(as_text ? 0x5F5F5F5F5F5F5F5FU : ~std::uint64_t{0}),
        set_(as_text ? kBlanks : 0) {}

  void fill(std::span<std::byte> room) const noexcept {
    std::uint64_t state = base_;
    for (std::size_t at = 0; at < room.size(); at += sizeof(state)) {
      const std::uint64_t word = (next(state) & kept_) | set_;
      std::memcpy(room.data() + at, &word, std::min(sizeof(word), room.size() - at));
    }
  }

  // The offset of the first eight bytes that are not what fill() writes, or kSame.
  [[nodiscard]] std::size_t first_difference(std::span<const std::byte> bytes) const noexcept {
    std::uint64_t state = base_;
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(state)) {
      const std::uint64_t word = (next(state) & kept_) | set_;
      if (std::memcmp(bytes.data() + at, &word, std::min(sizeof(word), bytes.size() - at)) != 0) return at;
    }
    return kSame;
  }

 private:
  static constexpr std::uint64_t kBlanks = 0x2020202020202020U;

  // xorshift64: a few gigabytes a second, and different in every word
  static std::uint64_t next(std::uint64_t& state) noexcept {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }

  std::uint64_t base_;
  std::uint64_t kept_;  // bits of each word
  std::uint64_t set_;
};

// The sizes of a stream of messages: all the same, or mixed up to a limit.
struct Sizes {
  std::size_t fixed{0};
  std::size_t mixed_limit{0};  // not 0: mixed

  [[nodiscard]] std::size_t of(std::uint64_t seed, std::uint64_t number) const noexcept {
    if (mixed_limit == 0) return fixed;
    // Mostly small, now and then around a power of two, rarely as large as allowed: what real programs send.
    Random random(seed ^ mix(number));
    constexpr std::uint64_t kSmall = 64;
    constexpr std::uint64_t kMedium = 2048;
    constexpr std::uint64_t kNear = 33;  // how far around a power of two
    std::uint64_t size = 0;
    switch (random.below(8)) {
      case 0:
        size = 0;
        break;
      case 1:
      case 2:
      case 3:
        size = random.below(kSmall);
        break;
      case 4:
      case 5:
        size = random.below(kMedium);
        break;
      case 6:
        size = (std::uint64_t{1} << random.below(20)) + random.below(kNear) - std::min<std::uint64_t>(kNear / 2, 1);
        break;
      default:
        size = random.below(mixed_limit + 1);
        break;
    }
    return static_cast<std::size_t>(std::min<std::uint64_t>(size, mixed_limit));
  }
};

}  // namespace sluice_test
