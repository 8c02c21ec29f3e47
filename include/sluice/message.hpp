// Message: what receive() gives. A view of bytes that lives as long as the Message does, and the handles that came with them.
// Outgoing: what send() takes, where it is more than bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/export.hpp>
#include <sluice/handle.hpp>

namespace sluice::inline v0 {

namespace core {
class MessageStorage;
}

// A received message, move-only. It may be released (destroyed) on any thread and in any order, and may outlive its
// channel. One thread at a time may use one Message.
class SLUICE_API Message {
 public:
  Message() noexcept = default;
  Message(Message&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        storage_(std::exchange(other.storage_, nullptr)) {}
  Message& operator=(Message&& other) noexcept {
    if (this != &other) {
      release();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
      storage_ = std::exchange(other.storage_, nullptr);
    }
    return *this;
  }
  ~Message() { release(); }

  // The content. The view ends with this Message; for a temporary it would dangle, and so doesn't compile.
  [[nodiscard]] std::span<const std::byte> bytes() const& noexcept { return {data_, size_}; }
  std::span<const std::byte> bytes() const&& = delete;

  // A private copy of the content. Throws std::bad_alloc where vector does.
  [[nodiscard]] std::vector<std::byte> copy() const { return {data_, data_ + size_}; }

  // The handles that came with it, in the order in which they were sent: close-on-exec, and closed with this Message. Move one
  // out to keep it: `auto file = std::move(message.handles()[0]);`.
  [[nodiscard]] std::span<Handle> handles() & noexcept;
  [[nodiscard]] std::span<const Handle> handles() const& noexcept;
  std::span<const Handle> handles() const&& = delete;

  // True while the peer can still write these bytes (shared memory): copy() first what a stranger sent and you judge.
  [[nodiscard]] bool shared() const noexcept;

 private:
  friend class core::MessageStorage;
  Message(const std::byte* data, std::size_t size, core::MessageStorage* storage) noexcept
      : data_(data), size_(size), storage_(storage) {}
  void release() noexcept {
    if (storage_ != nullptr) destroy_storage();
  }
  void destroy_storage() noexcept;

  const std::byte* data_{nullptr};
  std::size_t size_{0};
  core::MessageStorage* storage_{nullptr};  // owned
};

// What receive_into() gives: the message's size, and the handles that came with it, which are the caller's now.
struct Received {
  std::size_t size{0};
  std::vector<Handle> handles{};
};

// A message to be sent: its bytes, which may lie in several places, and the handles that travel with them. All of it is
// borrowed for the call.
struct Outgoing {
  std::span<const std::span<const std::byte>> parts{};
  std::span<const Handle> handles{};
};

// The bytes of a text, without copying it.
[[nodiscard]] inline std::span<const std::byte> as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

// Bytes as a text, without copying them.
[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace sluice::inline v0
