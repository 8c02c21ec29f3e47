// Doorbell: what wakes a sleeping peer. Rung by one end, waited for and silenced by the other.
#pragma once

#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::os {

class Doorbell {
 public:
  // limit_reached (Step::offer): no descriptors left.
  static Result<Doorbell> create();
  // One that a peer handed over. protocol_error (Step::offer): it is none.
  static Result<Doorbell> adopt(links::Descriptor handle);

  // A second descriptor of the same bell, to be handed over.
  [[nodiscard]] Result<links::Descriptor> duplicate() const;

  // Neither waits: a bell that can't be rung any more rings already.
  void ring() const noexcept;
  void silence() const noexcept;
  [[nodiscard]] links::Waitable waitable() const noexcept { return {event_.native()}; }

 private:
  explicit Doorbell(links::Descriptor event) noexcept : event_(std::move(event)) {}

  links::Descriptor event_;
};

}  // namespace sluice::inline v0::os
