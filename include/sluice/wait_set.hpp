// WaitSet: waits for many channels and listeners, and for descriptors of others, from one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <sluice/channel.hpp>
#include <sluice/deadline.hpp>
#include <sluice/export.hpp>
#include <sluice/result.hpp>
#include <sluice/waitable.hpp>

namespace sluice::inline v0 {

namespace core {
class WaitSetCore;
}

// What WaitSet::wait() found at one of its members. At least one of the last four is set.
struct Event {
  std::uint64_t key{0};    // with which it was added
  bool message{false};     // receive() has something; at a waitable of others: it is readable
  bool room{false};        // send() finds room
  bool ended{false};       // the channel has ended for what is wanted of it, and the next call says how; a closed listener
  bool connection{false};  // accept() has a channel
};

// Level-triggered: what was found and not taken is found again by the next wait().
//
// Members are borrowed. A channel or listener may be moved while it is in a set (the set follows); destroying it removes it,
// also on another thread. It may be in one set at a time, and while it is in one, its arm() and waitable() must not be called.
//
// Threads: one at a time, but for wake(), which may come from any thread and from signal handlers. Other threads may use the
// members meanwhile, as their own rules allow. In a forked child wait() answers misuse.
//
// Linux: epoll(7), two descriptors for the set and two for each channel and each waitable of others.
class [[nodiscard]] SLUICE_API WaitSet final {
 public:
  // limit_reached: no descriptors left. out_of_memory.
  static Result<WaitSet> create();
  WaitSet(WaitSet&&) noexcept;
  WaitSet& operator=(WaitSet&&) noexcept;
  ~WaitSet();

  // Adds a channel, a listener, or something of others that is waited for until it is readable (which is borrowed: it is to be
  // removed before it is closed).
  // Errors: misuse (it is in a set already, moved from, or was made by another process); closed (the channel, at this end);
  // limit_reached; out_of_memory.
  Result<void> add(Channel& channel, std::uint64_t key, Want want);
  Result<void> add(Listener& listener, std::uint64_t key);
  Result<void> add(Waitable waitable, std::uint64_t key);
  // Waits for something else at a channel of this set. misuse: it isn't in it.
  Result<void> change(Channel& channel, Want want);
  // misuse: it isn't in this set.
  Result<void> remove(Channel& channel);
  Result<void> remove(Listener& listener);
  Result<void> remove(Waitable waitable);

  // Waits until something is found at a member: how many events were filled in, at most events.size(), which must not be 0
  // (misuse). 0: wake() was called. Those that didn't fit come with the next wait(), before those that did. Moves the rest of
  // accepted messages on, as every waiting call does.
  // Errors: timed_out, would_block; misuse; limit_reached, out_of_memory (nothing is lost: call again).
  Result<std::size_t> wait(std::span<Event> events, Deadline deadline = Deadline::never());

  // Makes the wait() that runs, or the next one, return 0, also where members have something. Async-signal-safe.
  void wake() noexcept;

 private:
  SLUICE_LOCAL explicit WaitSet(std::unique_ptr<core::WaitSetCore> set) noexcept;
  std::unique_ptr<core::WaitSetCore> set_;
};

}  // namespace sluice::inline v0
