// What a fuzz target demands of the code under test, besides what the sanitizers see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

// Called by libFuzzer with each input.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace sluice_fuzz {

// Breaks off, so that libFuzzer keeps the input, if something doesn't hold.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// The input, consumed from the front; zeros when it is used up.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) noexcept : rest_(std::as_bytes(std::span{data, size})) {}

  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
  template <class Integer>
  [[nodiscard]] Integer take() noexcept {
    Integer value{};
    const auto bytes = take_bytes(sizeof(value));
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  // At most `count` bytes.
  [[nodiscard]] std::span<const std::byte> take_bytes(std::size_t count) noexcept {
    const auto bytes = rest_.first(count < rest_.size() ? count : rest_.size());
    rest_ = rest_.subspan(bytes.size());
    return bytes;
  }
  [[nodiscard]] std::span<const std::byte> rest() noexcept { return take_bytes(rest_.size()); }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace sluice_fuzz
