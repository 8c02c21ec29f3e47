// Alarm: a waitable that becomes readable once some time has passed, for those who wait elsewhere and have to try again
// although nothing tells them to. Defined once for each system in os/.
#pragma once

#include <chrono>
#include <utility>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::links {

class Alarm {
 public:
  // limit_reached (Step::make_waiter): no descriptors left.
  static Result<Alarm> create();

  // Readable from then on, and not before; a time that was set earlier counts no more. Never waits.
  void set(std::chrono::milliseconds from_now) noexcept;
  // Not readable until it is set again.
  void stop() noexcept;
  [[nodiscard]] Waitable waitable() const noexcept { return {timer_.native()}; }

 private:
  explicit Alarm(Descriptor timer) noexcept : timer_(std::move(timer)) {}

  Descriptor timer_;
};

}  // namespace sluice::inline v0::links
