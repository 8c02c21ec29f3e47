// Waitable and Waiter: what an operating system can wait for, and the one place that waits for several of them, a
// deadline and an interrupt together. Defined once for each system in os/ (epoll, kqueue, completion ports).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include <sluice/deadline.hpp>
#include <sluice/result.hpp>
#include <sluice/waitable.hpp>

namespace sluice::inline v0::links {

using sluice::Waitable;  // borrowed; what the number means only os/ knows

// What is waited for at a Waitable. A hang-up or an error wakes both. What has no directions (an event, a process) is ready for
// whichever was asked for.
struct Interest {
  bool readable{false};
  bool writable{false};

  friend bool operator==(const Interest&, const Interest&) = default;
};

// One Waitable that became ready, named by the key it was added with.
struct Ready {
  std::uint64_t key{0};
  bool readable{false};
  bool writable{false};
};

// Registration-based and level-triggered. One thread at a time may use it, with two exceptions: remove() may come from another
// thread while one waits (a Ready of what was removed may still be on its way), and wake() from any thread and signal handler.
class Waiter {
 public:
  // The key of the Ready that tells of a wake(). No other registration may use it.
  static constexpr std::uint64_t kWoken = ~std::uint64_t{0};

  // limit_reached if the system has no descriptors left; out_of_memory.
  static Result<Waiter> create();
  Waiter(Waiter&&) noexcept = default;
  Waiter& operator=(Waiter&&) noexcept = default;

  // A Waitable may be added once; `key` comes back in Ready. An empty Interest waits for hang-ups only, where the system tells
  // of them by themselves, else for nothing.
  Result<void> add(Waitable waitable, Interest interest, std::uint64_t key);
  Result<void> modify(Waitable waitable, Interest interest, std::uint64_t key);
  // Comes before the Waitable is closed, if this Waiter is ever to wait again: the system forgets a registration only with the
  // last duplicate of what was opened, in whatever process (epoll(7)), and its number may be another's soon. A Waiter that
  // nobody waits with any more needs none: so Session::cut() closes links that waiting places still have registered.
  void remove(Waitable waitable) noexcept;

  // Waits until something is ready, wake() was called, or the deadline has passed; the number of Ready that were filled in,
  // 0 after the deadline. A never() deadline waits without any time-out of its own. A wake() is reported (and thereby
  // consumed) as one Ready with key kWoken; one that came before the wait is not lost. Signals don't end the wait.
  Result<std::size_t> wait(std::span<Ready> ready, Deadline deadline);

  // Readable, for another Waiter or a stranger's loop, while wait() would find something (epoll(7), "Q&A": an epoll descriptor
  // is itself waitable; kqueue(2) likewise; Windows: an event, to which its thread pool forwards from the first call on).
  [[nodiscard]] Waitable waitable() const noexcept;

  // Ends the wait that runs, or the next one. Async-signal-safe.
  void wake() noexcept;

 private:
  // What the system waits with; each system has its own (os/).
  struct Set;
  struct DropSet {
    void operator()(Set* set) const noexcept;
  };
  using OwnedSet = std::unique_ptr<Set, DropSet>;

  explicit Waiter(OwnedSet set) noexcept : set_(std::move(set)) {}

  OwnedSet set_;
};

}  // namespace sluice::inline v0::links
