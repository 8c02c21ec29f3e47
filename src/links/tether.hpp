// Tether: what an end holds open so that the kernel itself reports the other end's death: no heartbeat, no polling.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "links/waiter.hpp"

namespace sluice::inline v0::links {

class Tether {
 public:
  virtual ~Tether() = default;

  // What becomes readable when the peer is gone: none to a few.
  [[nodiscard]] virtual std::span<const Waitable> waitables() const = 0;

  // True once the peer is gone. What it had sent before may still be in the channel. Does not wait; a system call.
  // Any thread may call it.
  [[nodiscard]] virtual bool is_severed() const = 0;
};

// A tether for links that report their own end and have no other (inproc).
class NoTether final : public Tether {
 public:
  [[nodiscard]] std::span<const Waitable> waitables() const override { return {}; }
  [[nodiscard]] bool is_severed() const override { return false; }
};

}  // namespace sluice::inline v0::links
