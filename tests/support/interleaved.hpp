// Messages of several senders on one end, which come interleaved as the senders like, each whole, and each sender's in order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "content.hpp"

namespace sluice_test {

// Sender k sends the messages 0, 1, 2 … of the stream of seed ^ mix(k + 1) (a command's stream=k+1), all of sizes[k] bytes: a
// size of its own, which tells whose a message is.
class Interleaved {
 public:
  Interleaved(std::uint64_t seed, std::vector<std::size_t> sizes)
      : seed_(seed), sizes_(std::move(sizes)), next_(sizes_.size()) {}

  // What is wrong with the next message that came; empty if nothing is.
  [[nodiscard]] std::string wrong(std::span<const std::byte> bytes) {
    const auto found = std::ranges::find(sizes_, bytes.size());
    if (found == sizes_.end()) return "nobody_sends_" + std::to_string(bytes.size()) + "_bytes";
    const auto sender = static_cast<std::size_t>(found - sizes_.begin());
    const std::uint64_t number = next_[sender]++;
    const std::size_t at = Content(seed_ ^ mix(sender + 1), number).first_difference(bytes);
    if (at == Content::kSame) return {};
    return "message_" + std::to_string(number) + "_of_sender_" + std::to_string(sender) + "_differs_at_" + std::to_string(at);
  }
  // How many of each sender have come.
  [[nodiscard]] const std::vector<std::uint64_t>& received() const noexcept { return next_; }

 private:
  std::uint64_t seed_;
  std::vector<std::size_t> sizes_;
  std::vector<std::uint64_t> next_;
};

}  // namespace sluice_test
