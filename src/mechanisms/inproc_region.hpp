// The inproc region: memory of the process, one mapping that both ends share (so that race detectors see what both do), and a
// bell for each end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include <sluice/result.hpp>

#include "links/region_link.hpp"
#include "os/gate.hpp"

namespace sluice::inline v0::mechanism::inproc {

// What both ends hold. Any thread may call anything.
class SharedRegion {
 public:
  enum class End : std::uint8_t { maker, taker };

  // Zeroed memory for rings of `capacity` bytes; `backed`: how many bytes can be reserved in all. limit_reached: no
  // descriptors; out_of_memory.
  static Result<std::shared_ptr<SharedRegion>> create(std::size_t capacity, std::uint64_t backed);

  [[nodiscard]] std::span<std::byte> memory() const noexcept { return memory_; }
  Result<void> reserve(std::size_t offset, std::size_t size);
  void ring(End whose) noexcept;
  void silence(End whose) noexcept;
  [[nodiscard]] links::Waitable bell(End whose) const noexcept { return bells_[index(whose)].waitable(); }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };
  using Memory = std::unique_ptr<std::byte, Free>;

  SharedRegion(Memory owned, std::span<std::byte> memory, std::uint64_t backed, std::array<os::Gate, 2> bells) noexcept
      : owned_(std::move(owned)), memory_(memory), backed_(backed), bells_(std::move(bells)) {}
  [[nodiscard]] static constexpr std::size_t index(End whose) noexcept { return whose == End::maker ? 0 : 1; }

  const Memory owned_;
  const std::span<std::byte> memory_;

  std::mutex mutex_;      // everything below; never held while memory_ is used
  std::uint64_t backed_;  // bytes that can still be reserved
  std::array<os::Gate, 2> bells_;
};

// One end. Two ends of one SharedRegion are the two ends of a link.
[[nodiscard]] std::shared_ptr<links::RegionLink> make_region_link(std::shared_ptr<SharedRegion> region, SharedRegion::End end);

}  // namespace sluice::inline v0::mechanism::inproc
