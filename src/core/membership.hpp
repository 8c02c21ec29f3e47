// Membership: that a channel or a listener is in a wait set, of which either may be destroyed first, on any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "links/waiter.hpp"

namespace sluice::inline v0::core {

// What the two sides share.
struct MemberSlot {
  std::mutex mutex;                // held while the set looks at the member
  links::Waiter* waiter{nullptr};  // the set's; null: the set is gone, or the member has left
  // As `waiter`, without the mutex, which in a forked child may be held for ever. release and acquire: whoever sees that it was
  // left may join another set.
  std::atomic<bool> is_left{false};
  links::Waitable waitable;  // the member's
  std::uint64_t id{0};       // by which the set knows it

  // The member goes, or is removed.
  void leave() noexcept {
    const std::lock_guard lock(mutex);
    if (waiter != nullptr) waiter->remove(waitable);
    waiter = nullptr;
    is_left.store(true, std::memory_order_release);  // pairs with the acquire in is_member()
  }
};

// The member's side. It belongs to whoever may call the member's functions; leave() comes before the waitable is closed.
class Membership {
 public:
  [[nodiscard]] bool is_member() const noexcept {
    return slot_ && !slot_->is_left.load(std::memory_order_acquire);  // pairs with the release in leave()
  }
  void join(std::shared_ptr<MemberSlot> slot) noexcept { slot_ = std::move(slot); }
  [[nodiscard]] const std::shared_ptr<MemberSlot>& slot() const noexcept { return slot_; }
  void leave() noexcept {
    if (slot_) slot_->leave();
    slot_.reset();
  }

 private:
  std::shared_ptr<MemberSlot> slot_;
};

}  // namespace sluice::inline v0::core
