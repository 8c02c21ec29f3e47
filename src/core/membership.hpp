// Membership: that a channel or a listener is in a wait set, of which either may be destroyed first, on any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "links/waiter.hpp"

namespace sluice::inline v0::core {

// What the two sides share.
struct MemberSlot {
  std::mutex mutex;                // held while the set looks at the member
  links::Waiter* waiter{nullptr};  // the set's; null: the set is gone, or the member has left
  links::Waitable waitable;        // the member's
  std::uint64_t id{0};             // by which the set knows it

  // The member goes, or is removed.
  void leave() noexcept {
    const std::lock_guard lock(mutex);
    if (waiter != nullptr) waiter->remove(waitable);
    waiter = nullptr;
  }
};

// The member's side. It belongs to whoever may call the member's functions; leave() comes before the waitable is closed.
class Membership {
 public:
  [[nodiscard]] bool is_member() const noexcept {
    if (!slot_) return false;
    const std::lock_guard lock(slot_->mutex);
    return slot_->waiter != nullptr;
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
