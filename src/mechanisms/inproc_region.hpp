// The inproc region: memory of the process, one mapping that both ends share (so that race detectors see what both do), and a
// bell for each end.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include <sluice/result.hpp>

#include "links/region_link.hpp"
#include "os/doorbell.hpp"

namespace sluice::inline v0::mechanism::inproc {

// What both ends hold. Any thread may call anything.
class CommonRegion {
 public:
  enum class End : std::uint8_t { maker, taker };

  // Zeroed memory for rings of `wish` bytes, or of the next capacity that a region can have (0: 1 MiB); `backed`: how many
  // bytes can be reserved in all. limit_reached (Step::make_region): too large (first: the wish, second: the most), or no
  // descriptors; out_of_memory.
  static Result<std::shared_ptr<CommonRegion>> create(std::size_t wish, std::uint64_t backed);

  [[nodiscard]] std::span<std::byte> memory() const noexcept { return memory_; }
  Result<void> reserve(std::size_t offset, std::size_t size);
  void ring(End from) const noexcept { bells_[index(from)].ring(); }
  void silence(End whose) const noexcept { (void)bells_[index(whose)].silence(); }
  [[nodiscard]] links::Waitable bell(End whose) const noexcept { return bells_[index(whose)].waitable(); }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };
  using Memory = std::unique_ptr<std::byte, Free>;

  CommonRegion(Memory owned, std::span<std::byte> memory, std::uint64_t backed, std::array<os::Doorbell, 2> bells) noexcept
      : owned_(std::move(owned)), memory_(memory), backed_(backed), bells_(std::move(bells)) {}
  [[nodiscard]] static constexpr std::size_t index(End whose) noexcept { return whose == End::maker ? 0 : 1; }

  const Memory owned_;
  const std::span<std::byte> memory_;
  std::atomic<std::uint64_t> backed_;  // bytes that can still be reserved
  const std::array<os::Doorbell, 2> bells_;
};

// One end. Two ends of one CommonRegion are the two ends of a link.
[[nodiscard]] std::shared_ptr<links::RegionLink> make_region_link(std::shared_ptr<CommonRegion> region, CommonRegion::End end);

}  // namespace sluice::inline v0::mechanism::inproc
