// Beginning: what is left of connecting, of a channel that was there at once (connect_later, child_end). The calls on the
// channel move it, each on its own thread, and whoever waits does so at one waitable, however often the socket behind it is
// another.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include <sluice/result.hpp>

#include "core/connecting.hpp"
#include "core/session.hpp"
#include "links/alarm.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {

class Beginning {
 public:
  // limit_reached: no descriptors left.
  static Result<std::unique_ptr<Beginning>> create(std::unique_ptr<Connecting> connecting);

  // Goes on as far as it can without waiting. would_block: not connected yet, wait for waitable(). Any other error is final,
  // and so is success. Any thread that holds `mutex`.
  Result<Established> step();
  std::mutex mutex;

  // Gives up: nothing is left of it but the waitable. Wants `mutex` held.
  void drop() noexcept;

  // Readable while step() gets on; lives as long as this object, for it may be waited for elsewhere.
  [[nodiscard]] links::Waitable waitable() const noexcept { return waiter_.waitable(); }

 private:
  Beginning(std::unique_ptr<Connecting> connecting, links::Waiter waiter) noexcept;

  Result<void> watch();
  void unwatch() noexcept;

  std::unique_ptr<Connecting> connecting_;  // null once it is over
  links::Waiter waiter_;
  links::Waitable watched_;            // what of connecting_ is in waiter_
  std::optional<links::Alarm> alarm_;  // made when there is nothing else to wait for
};

}  // namespace sluice::inline v0::core
