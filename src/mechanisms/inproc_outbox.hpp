// Outbox: what a link whose sends block, or whose buffers belong to the system until they complete, does with the caller's
// bytes. They are copied into a bounded queue, and a thread of the outbox's own, the courier, delivers them one after the
// other. It goes on when the link is gone, until everything is delivered or nobody receives any more.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include <sluice/result.hpp>

#include "links/buffer.hpp"
#include "links/waiter.hpp"
#include "os/gate.hpp"

namespace sluice::inline v0::mechanism::inproc {

// Starts a thread that nobody joins. limit_reached: the system has no more threads.
Result<void> start_thread(std::function<void()> work);

// One thread at a time puts; anything else may be called by any thread.
class Outbox : public std::enable_shared_from_this<Outbox> {
 public:
  // Called on the courier's thread, and may wait there; false: nobody receives any more.
  using Deliver = std::function<bool(links::Buffer)>;

  // `limit`: how much it holds, in bytes or packets. `finish` is called on the courier's thread when the last is delivered
  // after close(), or delivery has failed.
  static Result<std::shared_ptr<Outbox>> create(std::size_t limit, Deliver deliver, std::function<void()> finish);
  // Once, after create().
  Result<void> start();

  // How much put() takes now, above 0. would_block: nothing, until waitable() becomes writable; peer_died: nobody receives.
  Result<std::size_t> room() const;
  // Takes what costs at most room().
  void put(links::Buffer bytes, std::size_t cost);

  // True while something is not delivered.
  [[nodiscard]] bool pending() const;
  // Writable while nothing is pending: who has filled the outbox, and who wants it empty, wait for the same thing.
  [[nodiscard]] links::Waitable waitable() const noexcept { return empty_.waitable(); }

  // Nothing more will be put. Never waits.
  void close();

 private:
  struct Parcel {
    links::Buffer bytes;
    std::size_t cost;
  };

  Outbox(std::size_t limit, Deliver deliver, std::function<void()> finish, os::Gate empty)
      : limit_(limit), deliver_(std::move(deliver)), finish_(std::move(finish)), empty_(std::move(empty)) {}
  void run();

  const std::size_t limit_;
  const Deliver deliver_;
  const std::function<void()> finish_;

  mutable std::mutex mutex_;  // everything below
  std::condition_variable filled_;
  std::deque<Parcel> parcels_;
  std::size_t used_{0};  // cost of the parcels, and of the one that is being delivered
  bool closed_{false};
  bool failed_{false};
  os::Gate empty_;
};

}  // namespace sluice::inline v0::mechanism::inproc
