// Gate: a waitable whose readiness its owner decides, for links that have no object of the kernel behind them. It is
// level-triggered: everybody who waits for it sees it ready as long as it is open.
#pragma once

#include <cstdint>
#include <utility>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::os {

// Opened and closed by one thread at a time (the owner's lock orders it); waited for by any number.
class Gate {
 public:
  // What an open gate is ready for. A closed one is not; for the other direction it has no meaning.
  enum class Ready : std::uint8_t { for_reading, for_writing };

  // limit_reached (Step::make_waiter): no descriptors left.
  static Result<Gate> create(Ready ready, bool open);

  // Does nothing, and makes no system call, if the gate is so already.
  void set(bool open) noexcept;
  [[nodiscard]] bool is_open() const noexcept { return open_; }
  [[nodiscard]] links::Waitable waitable() const noexcept { return {event_.native()}; }

 private:
  Gate(links::Descriptor event, Ready ready, bool open) noexcept : event_(std::move(event)), ready_(ready), open_(open) {}

  links::Descriptor event_;
  Ready ready_;
  bool open_;
};

}  // namespace sluice::inline v0::os
