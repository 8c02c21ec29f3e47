// What stands behind a received Message: memory of its own, or a view into the ring that must be let go.
#pragma once

#include <cstddef>
#include <span>

#include <sluice/message.hpp>

#include "links/buffer.hpp"

namespace sluice::inline v0::core {

// Owned by exactly one Message; destroyed on whatever thread lets that go.
class MessageStorage {
 public:
  virtual ~MessageStorage() = default;
  [[nodiscard]] virtual bool shared_with_peer() const noexcept = 0;

  // Takes ownership of `storage`.
  [[nodiscard]] static Message make_message(std::span<const std::byte> bytes, MessageStorage* storage) noexcept {
    return Message{bytes.data(), bytes.size(), storage};
  }
};

// A message in memory of its own. Without bytes it needs none.
[[nodiscard]] Message make_message(links::Buffer bytes);

}  // namespace sluice::inline v0::core
