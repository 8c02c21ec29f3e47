// Messages of which only the bytes arrive, and no boundaries: what framing=raw leaves of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "content.hpp"

namespace sluice_test {

// The bytes of messages first … first + count - 1 of the stream that follows from a seed, one behind the other.
class Joined {
 public:
  Joined(std::uint64_t seed, const Sizes& sizes, std::uint64_t first, std::uint64_t count)
      : seed_(seed), sizes_(sizes), number_(first), end_(first + count) {
    load();
  }

  // The next bytes that came: false if they are others, or none, or more than all.
  [[nodiscard]] bool take(std::span<const std::byte> bytes) {
    if (bytes.empty()) return false;
    while (!bytes.empty() && !is_complete()) {
      const auto left = std::span<const std::byte>(message_).subspan(at_);
      const auto some = bytes.first(std::min(bytes.size(), left.size()));
      if (!std::ranges::equal(some, left.first(some.size()))) return false;
      bytes = bytes.subspan(some.size());
      at_ += some.size();
      if (at_ < message_.size()) continue;
      ++number_;
      load();
    }
    return bytes.empty();
  }
  [[nodiscard]] bool is_complete() const noexcept { return number_ == end_; }

 private:
  // The next message that has bytes.
  void load() {
    at_ = 0;
    for (; number_ < end_; ++number_) {
      message_.resize(sizes_.of(seed_, number_));
      if (message_.empty()) continue;
      Content(seed_, number_).fill(message_);
      return;
    }
  }

  std::uint64_t seed_;
  Sizes sizes_;
  std::uint64_t number_;
  std::uint64_t end_;
  std::vector<std::byte> message_;
  std::size_t at_{0};
};

}  // namespace sluice_test
