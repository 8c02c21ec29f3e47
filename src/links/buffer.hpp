// Buffer: owned bytes that grow with what arrived, without being zeroed first.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace sluice::inline v0::links {

// Owned memory with a size (filled) and a capacity. Move-only. Growth reports failure instead of throwing, because sizes
// come from peers.
class Buffer {
 public:
  Buffer() noexcept = default;
  Buffer(Buffer&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)), capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  [[nodiscard]] std::byte* data() noexcept { return bytes_.get(); }
  [[nodiscard]] const std::byte* data() const noexcept { return bytes_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {bytes_.get(), size_}; }
  [[nodiscard]] std::span<std::byte> room() noexcept { return {bytes_.get() + size_, capacity_ - size_}; }

  // Makes room for `capacity` bytes in all; false if memory was refused (the content stays).
  [[nodiscard]] bool reserve(std::size_t capacity) noexcept {
    if (capacity <= capacity_) return true;
    std::unique_ptr<std::byte[]> larger(new (std::nothrow) std::byte[capacity]);
    if (!larger) return false;
    if (size_ != 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
    return true;
  }
  // Counts `count` bytes that were written into room() as content.
  void grow(std::size_t count) noexcept { size_ += count; }
  void resize_down(std::size_t size) noexcept { size_ = size; }
  void clear() noexcept { size_ = 0; }

  // Appends a copy; false if memory was refused.
  [[nodiscard]] bool append(std::span<const std::byte> bytes) noexcept {
    if (bytes.empty()) return true;
    const std::size_t needed = size_ + bytes.size();
    if (needed > capacity_ && !reserve(needed > 2 * capacity_ ? needed : 2 * capacity_)) return false;
    std::memcpy(bytes_.get() + size_, bytes.data(), bytes.size());
    size_ = needed;
    return true;
  }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_{0};
  std::size_t capacity_{0};
};

}  // namespace sluice::inline v0::links
