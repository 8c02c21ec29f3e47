// Mapping: a shared mapping of a file, unmapped by the destructor. A forked child inherits it, so that messages it holds stay
// readable there.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::os {

class Mapping {
 public:
  // The first `size` bytes, to be read and written. limit_reached (Step::map_region): no room in the address space;
  // access_denied: the handle may not be mapped so.
  static Result<Mapping> map(const links::Descriptor& file, std::size_t size);

  Mapping(Mapping&& other) noexcept : memory_(std::exchange(other.memory_, {})) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping();

  [[nodiscard]] std::span<std::byte> memory() const noexcept { return memory_; }

 private:
  explicit Mapping(std::span<std::byte> memory) noexcept : memory_(memory) {}

  std::span<std::byte> memory_;
};

}  // namespace sluice::inline v0::os
