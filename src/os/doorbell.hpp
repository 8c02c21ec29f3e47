// Doorbell: what wakes a sleeping peer. Each end has one; what it rings is the other's.
#pragma once

#include <utility>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::os {

class Doorbell {
 public:
  using Pair = std::pair<Doorbell, Doorbell>;

  // Two ends that ring each other. limit_reached (Step::offer): no descriptors left.
  static Result<Pair> create();
  // An end that a peer handed over. protocol_error (Step::offer): it is none.
  static Result<Doorbell> adopt(links::Descriptor handle);
  // What is handed over.
  [[nodiscard]] links::Descriptor release() && noexcept { return std::move(end_); }

  // Rings at the other end. Never waits, whatever the peer does: a bell that can't be rung any more rings already.
  void ring() const noexcept;
  // Silences this end. Never waits. False: the other end is gone, and nobody will ring again.
  [[nodiscard]] bool silence() const noexcept;
  // Readable once the other end has rung, or is gone.
  [[nodiscard]] links::Waitable waitable() const noexcept { return {end_.native()}; }

 private:
  explicit Doorbell(links::Descriptor end, links::Descriptor other = {}) noexcept
      : end_(std::move(end)), other_(std::move(other)) {}

  links::Descriptor end_;    // what this end waits for
  links::Descriptor other_;  // what it rings with, where that is an object of its own (Windows)
};

}  // namespace sluice::inline v0::os
