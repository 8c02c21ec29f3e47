// Message: what receive() gives. A view of bytes that lives as long as the Message does.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/export.hpp>

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

  // True while the peer can still write these bytes (shared memory): copy() first what a stranger sent and you judge.
  [[nodiscard]] bool shared() const noexcept;

 private:
  friend class core::MessageStorage;
  Message(const std::byte* data, std::size_t size, core::MessageStorage* storage) noexcept
      : data_(data), size_(size), storage_(storage) {}
  void release() noexcept;

  const std::byte* data_{nullptr};
  std::size_t size_{0};
  core::MessageStorage* storage_{nullptr};  // owned
};

// What receive_into() gives: the message's size.
struct Received {
  std::size_t size{0};
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
