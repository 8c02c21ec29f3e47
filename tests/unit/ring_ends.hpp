// Both ends of a ring over one memory, for tests.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/ring_layout.hpp"
#include "core/ring_reader.hpp"
#include "core/ring_writer.hpp"
#include "unit/fake_links.hpp"
#include "unit/hex.hpp"

namespace sluice_test {

using namespace sluice;
using namespace sluice::core;

inline constexpr std::size_t kMaxMessage = std::size_t{1} << 20;
inline constexpr std::size_t kRing0 = 65'536;
inline constexpr std::size_t kCapacity = 65'536;

// Both ends of ring 0 over one memory.
struct Ring {
  FakeRegion::Memory memory = FakeRegion::make_memory();
  std::shared_ptr<FakeRegion> connecting = std::make_shared<FakeRegion>(memory, false);
  std::shared_ptr<FakeRegion> listening = std::make_shared<FakeRegion>(memory, true);
  RingWriter writer{connecting, 0};
  RingReader reader{listening, 0, kMaxMessage};

  Result<void> put(std::span<const std::byte> bytes, std::uint32_t back = 0) {
    OutgoingMessage message{{&bytes, 1}};
    while (true) {
      const auto put = writer.put(message, back);
      if (!put) return put.error();
      if (*put) return {};
    }
  }
  [[nodiscard]] std::span<std::byte> at(std::size_t offset, std::size_t size) const { return memory->subspan(offset, size); }
  void write(std::size_t offset, std::string_view bytes) const {
    std::ranges::copy(hex(bytes), memory->begin() + static_cast<std::ptrdiff_t>(offset));
  }
};

}  // namespace sluice_test
