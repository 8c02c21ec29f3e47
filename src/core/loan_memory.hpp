// What a loan is made of where the mechanism has no memory of its own for it: bytes that go from loan to loan, and the handles
// that were attached.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <sluice/handle.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::core {

// Memory that its user sees: zeros when it is made, and then whatever was written into it for this channel.
class LoanMemory {
 public:
  LoanMemory() noexcept = default;
  LoanMemory(LoanMemory&& other) noexcept : bytes_(std::move(other.bytes_)), capacity_(std::exchange(other.capacity_, 0)) {}
  LoanMemory& operator=(LoanMemory&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  // At least `size` bytes, the old ones where they are enough; false if memory was refused. A large block that would lie mostly
  // idle goes back to the system.
  [[nodiscard]] bool provide(std::size_t size) noexcept {
    constexpr std::size_t kKept = std::size_t{1} << 20;  // up to here nobody minds
    constexpr std::size_t kShare = 4;                    // above it, what less than a quarter of is used is too large
    const bool is_far_too_large = capacity_ > kKept && size < capacity_ / kShare;
    if (size <= capacity_ && !is_far_too_large) return true;
    *this = {};
    // calloc: large blocks come from the system as zero pages, which cost nothing until they are touched.
    bytes_.reset(static_cast<std::byte*>(std::calloc(size, 1)));
    if (!bytes_) return false;
    capacity_ = size;
    return true;
  }
  [[nodiscard]] bool is_empty() const noexcept { return capacity_ == 0; }
  [[nodiscard]] std::span<std::byte> first(std::size_t size) const noexcept { return {bytes_.get(), size}; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const noexcept { std::free(bytes); }
  };
  std::unique_ptr<std::byte, Free> bytes_;
  std::size_t capacity_{0};
};

// Duplicates of the handles that travel with a loan. They are the library's, so a forked child closes them; what is sent with a
// message are Handles, so each has one beside it that owns nothing.
class LoanHandles {
 public:
  LoanHandles() noexcept = default;
  LoanHandles(LoanHandles&&) noexcept = default;
  LoanHandles& operator=(LoanHandles&& other) noexcept {
    clear();
    owned_ = std::move(other.owned_);
    views_ = std::move(other.views_);
    return *this;
  }
  ~LoanHandles() { clear(); }

  // Takes them all or none.
  [[nodiscard]] Result<void> duplicate(std::span<const Handle> handles) {
    LoanHandles fresh;
    fresh.owned_.reserve(handles.size());
    fresh.views_.reserve(handles.size());
    for (const auto& handle : handles) {
      auto second = handle.duplicate();
      if (!second) return second.error();
      fresh.owned_.emplace_back(second->release());
      fresh.views_.emplace_back(fresh.owned_.back().native());
    }
    *this = std::move(fresh);
    return {};
  }
  [[nodiscard]] std::span<const Handle> handles() const noexcept { return views_; }
  void clear() noexcept {
    for (auto& view : views_) (void)view.release();
    views_.clear();
    owned_.clear();
  }

 private:
  std::vector<links::Descriptor> owned_;
  std::vector<Handle> views_;
};

}  // namespace sluice::inline v0::core
