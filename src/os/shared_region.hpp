// SharedRegion: memory that two processes have mapped, with a doorbell at each end, as a RegionLink. Where the memory comes
// from (a named object, a file, a memfd) is the mechanism's business.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/meeting.hpp"
#include "links/region_link.hpp"
#include "os/doorbell.hpp"
#include "os/mapping.hpp"

namespace sluice::inline v0::os {

class SharedRegion final : public links::RegionLink {
 public:
  // A ring's capacity for a wish in bytes (0: the default, 4 MiB): the next power of two that a region can have. limit_reached
  // (Step::make_region; first: the wish, second: the most) above that.
  static Result<std::size_t> capacity_for(std::size_t wish) noexcept;

  // Whether the size of the object is sealed, so that nobody can cut it under a mapping (os/unnamed_memory.hpp).
  enum class Size : bool { changeable, sealed };

  // The listener's side: sizes `object`, which must be new and empty, for rings of `capacity` bytes, seals that size if it is
  // to be, backs the beginning with memory, maps it and makes the bells. limit_reached: the file system or the process has no
  // more.
  static Result<std::unique_ptr<SharedRegion>> make(links::Descriptor object, std::size_t capacity,
                                                    Size size = Size::changeable);
  // What the other side needs for take(); once.
  [[nodiscard]] Result<links::Offer> offer();

  // The other side: checks that the offer is one of offer()'s, sealed if it has to be, and maps it. protocol_error
  // (Step::offer) if it isn't; limit_reached: this process has no room for it; access_denied, of a sealed one alone: this
  // process may not map it.
  static Result<std::unique_ptr<SharedRegion>> take(links::Offer offer, Size size = Size::changeable);

  [[nodiscard]] std::span<std::byte> memory() const override { return mapping_.memory(); }
  [[nodiscard]] bool is_maker() const override { return is_maker_; }
  Result<void> reserve(std::size_t offset, std::size_t size) override;
  [[nodiscard]] bool silence() noexcept override { return bell_.silence(); }
  [[nodiscard]] links::Waitable bell() const override { return bell_.waitable(); }

 private:
  SharedRegion(links::Descriptor object, Mapping mapping, Doorbell bell, bool is_maker) noexcept;
  // Maps the object and backs its head and the first stretch of each ring.
  static Result<std::unique_ptr<SharedRegion>> open(links::Descriptor object, std::size_t capacity, Doorbell bell,
                                                    bool is_maker);
  void ring_bell() noexcept override { bell_.ring(); }

  links::Descriptor object_;
  Mapping mapping_;
  Doorbell bell_;
  std::optional<Doorbell> peers_bell_;  // the other end of ours, until it is handed over
  bool is_maker_;
};

}  // namespace sluice::inline v0::os
