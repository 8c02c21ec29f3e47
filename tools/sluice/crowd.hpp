// Crowd: clients that are served beside each other, each on a thread of its own, so that the answers of none wait for another.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <iterator>
#include <list>
#include <mutex>
#include <sluice/channel.hpp>
#include <thread>
#include <utility>

namespace tool {

// Used by the thread that accepts. Whoever has been served interrupts its accept(), which so needs no time-out to let go of
// threads that are over. The destructor waits for all of them.
class Crowd {
 public:
  explicit Crowd(sluice::Listener& listener) noexcept : listener_(listener) {}
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return served_.size(); }

  // Runs `work` on a thread of its own.
  template <class Work>
  void serve(Work work) {
    Served& one = served_.emplace_back();
    one.thread = std::jthread([this, &one, work = std::move(work)]() mutable {
      work();
      {
        const std::lock_guard lock(mutex_);
        one.is_over = true;
      }
      has_ended_.notify_one();
      listener_.interrupt();
    });
  }

  // Lets go of those that are over: whether there were any.
  bool let_go() {
    std::list<Served> over;
    {
      const std::lock_guard lock(mutex_);
      for (auto one = served_.begin(); one != served_.end();) {
        const auto next = std::next(one);
        if (one->is_over) over.splice(over.end(), served_, one);
        one = next;
      }
    }
    return !over.empty();
  }

  // Waits until one is over.
  void wait_for_one() {
    std::unique_lock lock(mutex_);
    has_ended_.wait(lock, [this] { return std::ranges::any_of(served_, [](const Served& one) { return one.is_over; }); });
  }

 private:
  struct Served {
    bool is_over{false};  // under mutex_
    std::jthread thread;
  };

  sluice::Listener& listener_;
  std::mutex mutex_;
  std::condition_variable has_ended_;
  std::list<Served> served_;  // belongs to the thread that accepts, but for is_over
};

}  // namespace tool
