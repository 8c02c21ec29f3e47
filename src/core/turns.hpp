// Turns: who of several threads may send (Senders::many). Private to the process; the first to come is the first to go.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include <sluice/deadline.hpp>
#include <sluice/options.hpp>
#include <sluice/result.hpp>

namespace sluice::inline v0::core {

class Turns {
 public:
  enum class Given : std::uint8_t {
    turn,
    too_late,     // the deadline has passed
    interrupted,  // interrupt(), or `is_interrupted` said so
    over,         // end(): there is nothing to wait for any more
    own,          // this very thread has the turn
  };

  // Null: one thread sends, and asks for no turn.
  [[nodiscard]] static std::unique_ptr<Turns> needed_by(Senders senders) {
    return senders == Senders::many ? std::make_unique<Turns>() : nullptr;
  }

  // Waits for the turn. `is_interrupted` is asked once this thread stands in the queue, so that an interrupt is seen either by
  // it or by interrupt().
  template <class IsInterrupted>
  [[nodiscard]] Given take(Deadline deadline, IsInterrupted is_interrupted) {
    std::unique_lock lock(mutex_);
    if (is_taken_ && holder_ == std::this_thread::get_id()) return Given::own;
    if (!is_taken_) return hold();
    if (is_over_) return Given::over;
    if (deadline.is_now()) return Given::too_late;
    Place place;
    queue_.push_back(&place);
    if (is_interrupted()) {
      leave(place);
      return Given::interrupted;
    }
    const auto is_told = [&] { return place.is_told; };
    if (deadline.is_never()) {
      place.told.wait(lock, is_told);
    } else if (!place.told.wait_until(lock, deadline.time_point(), is_told)) {
      leave(place);
      return Given::too_late;
    }
    return place.given == Given::turn ? hold() : place.given;
  }

  // The turn goes to who has waited longest.
  void give_back() noexcept {
    const std::lock_guard lock(mutex_);
    is_taken_ = false;
    holder_ = {};
    if (!queue_.empty()) tell_first(Given::turn);
  }

  // Those who wait now return: whether there were any.
  bool interrupt() noexcept { return tell_all(Given::interrupted); }
  // The same, and nobody waits from here on; a turn that is free is still given, for the call to see why.
  void end() noexcept {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    (void)tell_all(Given::over);
  }

 private:
  struct Place {
    std::condition_variable told;
    bool is_told{false};
    Given given{Given::turn};
  };

  // All of these want mutex_.
  Given hold() noexcept {
    is_taken_ = true;
    holder_ = std::this_thread::get_id();
    return Given::turn;
  }
  void leave(const Place& place) { queue_.erase(std::ranges::find(queue_, &place)); }
  // Told under the lock: the place is gone as soon as its thread has seen it. A turn is taken at once, for nobody else.
  void tell_first(Given given) noexcept {
    Place& place = *queue_.front();
    queue_.pop_front();
    place.given = given;
    place.is_told = true;
    if (given == Given::turn) is_taken_ = true;
    place.told.notify_one();
  }
  bool tell_all(Given given) noexcept {
    const std::lock_guard lock(mutex_);
    const bool was_somebody = !queue_.empty();
    while (!queue_.empty()) tell_first(given);
    return was_somebody;
  }

  std::mutex mutex_;
  bool is_taken_{false};
  bool is_over_{false};
  std::thread::id holder_;
  std::deque<Place*> queue_;
};

}  // namespace sluice::inline v0::core
