// Random input for unit tests: each test has a generator of its own, made from the run's seed. The seed is printed with a
// failure; SLUICE_SEED repeats it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice_test {

[[nodiscard]] inline std::uint64_t unit_seed() {
  static const std::uint64_t seed = [] {
    if (const char* text = std::getenv("SLUICE_SEED")) return static_cast<std::uint64_t>(std::strtoull(text, nullptr, 0));
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }();
  return seed;
}

// How a byte is changed where trying all 255 other values would take long: each bit alone, and all together.
inline constexpr std::array<unsigned, 9> kFlips{0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF};

class Random {
 public:
  Random() : trace_(__FILE__, __LINE__, "repeat with SLUICE_SEED=" + std::to_string(unit_seed())) {}

  // A number from 0 to `largest`, both included.
  [[nodiscard]] std::uint64_t up_to(std::uint64_t largest) {
    return std::uniform_int_distribution<std::uint64_t>{0, largest}(engine_);
  }
  [[nodiscard]] std::uint64_t number() { return engine_(); }
  [[nodiscard]] std::vector<std::byte> bytes(std::size_t size) {
    std::vector<std::byte> bytes(size);
    std::uint64_t eight = 0;
    for (std::size_t i = 0; i < size; ++i) {
      if (i % sizeof(eight) == 0) eight = engine_();
      bytes[i] = static_cast<std::byte>(eight & 0xFF);
      eight >>= 8;
    }
    return bytes;
  }
  // A text of up to `longest` characters between `first` and `last`.
  [[nodiscard]] std::string text(std::size_t longest, unsigned char first, unsigned char last) {
    std::string text(up_to(longest), '\0');
    for (auto& c : text) c = static_cast<char>(first + up_to(static_cast<std::uint64_t>(last) - first));
    return text;
  }

 private:
  std::mt19937_64 engine_{unit_seed()};
  ::testing::ScopedTrace trace_;
};

}  // namespace sluice_test
