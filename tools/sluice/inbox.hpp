// Inbox: the next message of a channel as bytes that nobody can change any more.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <sluice/channel.hpp>

namespace tool {

class Inbox {
 public:
  explicit Inbox(sluice::Channel& channel) noexcept : channel_(&channel) {}

  // The next message; the view ends with the next call. A message in memory that the peer can still write is copied first:
  // what is judged must be what is used, and the digest that of what is written.
  sluice::Result<std::span<const std::byte>> next(sluice::Deadline deadline) {
    message_ = {};  // its room in the channel may be what the peer waits for
    auto received = channel_->receive(deadline);
    if (!received) return received.error();
    message_ = *std::move(received);
    if (!message_.shared()) return message_.bytes();
    copy_.assign(message_.bytes().begin(), message_.bytes().end());
    message_ = {};
    return std::span<const std::byte>(copy_);
  }

 private:
  sluice::Channel* channel_;
  sluice::Message message_;
  std::vector<std::byte> copy_;
};

}  // namespace tool
