// What stands behind a received Message: memory of its own, or a view into the ring that must be let go; and its handles.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <sluice/handle.hpp>
#include <sluice/message.hpp>

#include "links/buffer.hpp"
#include "links/descriptor.hpp"

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

  // Handles that have arrived are the library's until the message is handed to the caller: so a forked child closes them.
  void attach(std::vector<links::Descriptor> arrived);
  // How many handles came with a message.
  [[nodiscard]] static std::size_t count_handles(const Message& message) noexcept;
  // The message becomes the caller's, and with it its handles.
  static void hand_over(Message& message) noexcept;
  // The same for the handles alone.
  [[nodiscard]] static std::vector<Handle> hand_over_handles(Message& message) noexcept;
  [[nodiscard]] std::span<Handle> handles() noexcept;

 private:
  struct Handles {
    std::vector<links::Descriptor> arrived;
    std::vector<Handle> handed_over;  // has room for as many
  };
  std::unique_ptr<Handles> handles_;  // null: none, as nearly always
};

// A message in memory of its own. Without bytes and handles it needs none.
[[nodiscard]] Message make_message(links::Buffer bytes, std::vector<links::Descriptor> handles = {});

}  // namespace sluice::inline v0::core
