// WaitSetCore: a waiter over the waitables of its members, and a queue of those to look at before it sleeps: who was added or
// changed, whose waitable is readable, and who had something the last time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <variant>

#include <sluice/deadline.hpp>
#include <sluice/result.hpp>
#include <sluice/wait_set.hpp>
#include <sluice/waitable.hpp>

#include "core/listener.hpp"
#include "core/membership.hpp"
#include "core/session.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {

class WaitSetCore {
 public:
  explicit WaitSetCore(links::Waiter waiter) noexcept;
  ~WaitSetCore();
  WaitSetCore(const WaitSetCore&) = delete;
  WaitSetCore& operator=(const WaitSetCore&) = delete;

  // As in WaitSet, where they are documented.
  Result<void> add(Session& session, std::uint64_t key, Want want);
  Result<void> add(ListenerCore& listener, std::uint64_t key);
  Result<void> add(Waitable waitable, std::uint64_t key);
  Result<void> change(Session& session, Want want);
  Result<void> remove(Session& session);
  Result<void> remove(ListenerCore& listener);
  Result<void> remove(Waitable waitable);
  Result<std::size_t> wait(std::span<Event> events, Deadline deadline);
  void wake() noexcept {
    if (!is_foreign_process()) waiter_.wake();  // there its descriptor is closed, and the number perhaps another's
  }

 private:
  // Something of others, with a waiter of its own, which tells whether it is readable now.
  struct Foreign {
    Waitable waitable;
    std::unique_ptr<links::Waiter> waiter;
  };
  struct Member {
    std::variant<Session*, ListenerCore*, Foreign> what;
    std::uint64_t key{0};
    Want want{Want::nothing};
    std::shared_ptr<MemberSlot> slot;
    // Its turn: in queue_ while it is to be looked at, else in resting_. Moved between them without asking for memory, so that
    // nothing is lost where that is refused.
    bool queued{false};
    std::list<std::uint64_t>::iterator turn{};
  };
  using Members = std::map<std::uint64_t, Member>;  // by the key of their registration, which is never used again

  void sweep();
  Result<void> join(Member member, Membership* membership, links::Waitable waitable);
  Result<void> remove(Membership& membership);
  [[nodiscard]] Members::iterator find(const Membership& membership) noexcept;
  void queue(std::uint64_t id) noexcept;
  void rest(Member& member) noexcept;
  void forget(Members::iterator member) noexcept;
  Result<void> fetch(Deadline deadline);
  Result<std::size_t> look_at_queued(std::span<Event> events);
  Result<Event> look(Member& member);
  [[nodiscard]] bool is_foreign_process() const noexcept;

  links::Waiter waiter_;
  const std::uint32_t generation_;  // the process that made it
  Members members_;
  std::uint64_t next_id_{0};
  std::size_t sweep_at_{0};
  std::list<std::uint64_t> queue_;
  std::list<std::uint64_t> resting_;
  bool woken_{false};  // wake() was called, and not told yet
};

}  // namespace sluice::inline v0::core
