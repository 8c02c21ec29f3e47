#include "core/wait_set.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "core/guarded.hpp"
#include "links/system.hpp"

namespace sluice::inline v0 {
namespace core {
namespace {

constexpr std::size_t kReadyAtOnce = 64;

[[nodiscard]] Error misuse() noexcept { return {Errc::misuse, Step::wait, 0, 0, 0}; }

[[nodiscard]] bool has_anything(const Event& event) noexcept {
  return event.message || event.room || event.ended || event.connection;
}

}  // namespace

WaitSetCore::WaitSetCore(links::Waiter waiter) noexcept
    : waiter_(std::move(waiter)), generation_(links::process_generation()) {}

WaitSetCore::~WaitSetCore() {
  if (is_foreign_process()) return;  // the members are the parent's
  for (auto& [id, member] : members_) {
    if (!member.slot) continue;
    if (auto* const* session = std::get_if<Session*>(&member.what)) {
      const std::lock_guard lock(member.slot->mutex);
      if (member.slot->waiter != nullptr) (*session)->disarm();
    }
    member.slot->leave();
  }
}

bool WaitSetCore::is_foreign_process() const noexcept { return links::process_generation() != generation_; }

// ---- members -------------------------------------------------------------------------------------------------------------

// Members that were destroyed are forgotten when there may be as many of them as of others.
void WaitSetCore::sweep() {
  constexpr std::size_t kFew = 64;
  if (members_.size() < sweep_at_) return;
  for (auto member = members_.begin(); member != members_.end();) {
    const auto next = std::next(member);
    if (member->second.slot && member->second.slot->is_left.load(std::memory_order_acquire)) forget(member);
    member = next;
  }
  sweep_at_ = std::max(kFew, 2 * members_.size());
}

void WaitSetCore::forget(Members::iterator member) noexcept {
  auto& turns = member->second.queued ? queue_ : resting_;
  turns.erase(member->second.turn);
  members_.erase(member);
}

Result<void> WaitSetCore::join(Member member, Membership* membership, links::Waitable waitable) {
  sweep();
  // All that asks for memory comes first.
  const std::uint64_t id = next_id_++;
  std::list<std::uint64_t> turn{id};
  if (membership != nullptr) {
    member.slot = std::make_shared<MemberSlot>();
    member.slot->waiter = &waiter_;
    member.slot->waitable = waitable;
    member.slot->id = id;
  }
  const auto added = members_.emplace(id, std::move(member)).first;
  added->second.turn = turn.begin();
  added->second.queued = true;
  queue_.splice(queue_.end(), turn);
  if (auto registered = waiter_.add(waitable, {.readable = true}, id); !registered) {
    forget(added);
    return registered;
  }
  if (membership != nullptr) membership->join(added->second.slot);
  return {};
}

Result<void> WaitSetCore::add(Session& session, std::uint64_t key, Want want) {
  if (is_foreign_process() || session.membership().is_member()) return misuse();
  const auto waitable = session.waitable();
  if (!waitable) return waitable.error();
  return join({.what = &session, .key = key, .want = want, .slot = {}}, &session.membership(), *waitable);
}

Result<void> WaitSetCore::add(ListenerCore& listener, std::uint64_t key) {
  if (is_foreign_process() || listener.membership().is_member()) return misuse();
  const auto waitable = listener.waitable();
  if (!waitable) return waitable.error();
  return join({.what = &listener, .key = key, .slot = {}}, &listener.membership(), *waitable);
}

Result<void> WaitSetCore::add(Waitable waitable, std::uint64_t key) {
  if (is_foreign_process() || !waitable) return misuse();
  auto waiter = links::Waiter::create();
  if (!waiter) return waiter.error();
  if (auto added = waiter->add(waitable, {.readable = true}, 0); !added) return added;
  Foreign foreign{waitable, std::make_unique<links::Waiter>(*std::move(waiter))};
  const auto readable = foreign.waiter->waitable();
  return join({.what = std::move(foreign), .key = key, .slot = {}}, nullptr, readable);
}

WaitSetCore::Members::iterator WaitSetCore::find(const Membership& membership) noexcept {
  const auto& slot = membership.slot();
  const auto found = slot ? members_.find(slot->id) : members_.end();
  return found != members_.end() && found->second.slot == slot ? found : members_.end();
}

Result<void> WaitSetCore::change(Session& session, Want want) {
  if (is_foreign_process()) return misuse();
  const auto found = find(session.membership());
  if (found == members_.end()) return misuse();
  found->second.want = want;
  queue(found->first);
  return {};
}

Result<void> WaitSetCore::remove(Session& session) {
  auto removed = remove(session.membership());
  if (removed) session.disarm();
  return removed;
}

Result<void> WaitSetCore::remove(ListenerCore& listener) { return remove(listener.membership()); }

Result<void> WaitSetCore::remove(Membership& membership) {
  if (is_foreign_process()) return misuse();
  const auto found = find(membership);
  if (found == members_.end()) return misuse();
  membership.leave();
  forget(found);
  return {};
}

Result<void> WaitSetCore::remove(Waitable waitable) {
  const auto is_it = [&](const auto& entry) {
    const auto* foreign = std::get_if<Foreign>(&entry.second.what);
    return foreign != nullptr && foreign->waitable == waitable;
  };
  if (is_foreign_process()) return misuse();
  const auto found = std::ranges::find_if(members_, is_it);
  if (found == members_.end()) return misuse();
  auto& waiter = *std::get<Foreign>(found->second.what).waiter;
  waiter_.remove(waiter.waitable());
  waiter.remove(waitable);
  forget(found);
  return {};
}

void WaitSetCore::queue(std::uint64_t id) noexcept {
  const auto found = members_.find(id);
  if (found == members_.end() || std::exchange(found->second.queued, true)) return;
  queue_.splice(queue_.end(), resting_, found->second.turn);
}

void WaitSetCore::rest(Member& member) noexcept {
  member.queued = false;
  resting_.splice(resting_.end(), queue_, member.turn);
}

// ---- waiting -------------------------------------------------------------------------------------------------------------

Result<std::size_t> WaitSetCore::wait(std::span<Event> events, Deadline deadline) {
  if (is_foreign_process()) return Error{Errc::misuse, Step::use_after_fork, 0, 0, 0};
  if (events.empty()) return misuse();
  while (true) {
    // Whoever is to be looked at first doesn't keep the others from being noticed.
    if (auto fetched = fetch(queue_.empty() ? deadline : Deadline::now()); !fetched) return fetched.error();
    if (std::exchange(woken_, false)) return std::size_t{0};  // before members who always have something
    const auto count = look_at_queued(events);
    if (!count || *count != 0) return count;
    if (deadline.has_passed()) return Error{deadline.is_now() ? Errc::would_block : Errc::timed_out, Step::wait, 0, 0, 0};
  }
}

// Queues those whose waitable is readable.
Result<void> WaitSetCore::fetch(Deadline deadline) {
  std::array<links::Ready, kReadyAtOnce> ready;
  const auto count = waiter_.wait(ready, deadline);
  if (!count) return count.error();
  for (const auto& one : std::span{ready}.first(*count)) {
    if (one.key == links::Waiter::kWoken) {
      woken_ = true;
    } else {
      queue(one.key);
    }
  }
  return {};
}

// Arms who is queued. Who has something goes to the end of the queue: the next wait() looks at it again, after the others.
Result<std::size_t> WaitSetCore::look_at_queued(std::span<Event> events) {
  std::size_t count = 0;
  for (std::size_t turns = queue_.size(); turns > 0 && count < events.size(); --turns) {
    const std::uint64_t id = queue_.front();
    Member& member = members_.find(id)->second;  // every turn is a member's
    const auto event = look(member);             // where memory is refused it stays the first
    rest(member);
    if (!event || has_anything(*event)) queue(id);
    if (!event) return count != 0 ? Result<std::size_t>{count} : event.error();
    if (has_anything(*event)) events[count++] = *event;
  }
  return count;
}

Result<Event> WaitSetCore::look(Member& member) {
  Event event{.key = member.key};
  if (auto* foreign = std::get_if<Foreign>(&member.what)) {
    std::array<links::Ready, 1> ready;
    const auto readable = foreign->waiter->wait(ready, Deadline::now());
    if (!readable) return readable.error();
    event.message = *readable != 0;
    return event;
  }
  const std::lock_guard lock(member.slot->mutex);
  if (member.slot->waiter == nullptr) return event;  // it has been destroyed
  if (auto* const* session = std::get_if<Session*>(&member.what)) {
    const auto found = (*session)->arm(member.want);
    if (!found) return found.error();
    event.message = found->message;
    event.room = found->room;
    event.ended = found->ended;
    return event;
  }
  auto& listener = **std::get_if<ListenerCore*>(&member.what);
  const auto ready = listener.arm();
  if (!ready) return ready.error();
  event.ended = listener.is_closed();
  event.connection = *ready && !event.ended;
  return event;
}

}  // namespace core

// ---- WaitSet -------------------------------------------------------------------------------------------------------------

WaitSet::WaitSet(std::unique_ptr<core::WaitSetCore> set) noexcept : set_(std::move(set)) {}
WaitSet::WaitSet(WaitSet&&) noexcept = default;
WaitSet& WaitSet::operator=(WaitSet&&) noexcept = default;
WaitSet::~WaitSet() = default;

Result<WaitSet> WaitSet::create() {
  return core::guarded(Step::make_waiter, []() -> Result<WaitSet> {
    auto waiter = links::Waiter::create();
    if (!waiter) return waiter.error();
    return WaitSet{std::make_unique<core::WaitSetCore>(*std::move(waiter))};
  });
}

Result<void> WaitSet::add(Channel& channel, std::uint64_t key, Want want) {
  if (!set_ || !channel.session_) return core::moved_from(Step::wait);
  return core::guarded(Step::wait, [&] { return set_->add(*channel.session_, key, want); });
}

Result<void> WaitSet::add(Listener& listener, std::uint64_t key) {
  if (!set_ || !listener.listener_) return core::moved_from(Step::wait);
  return core::guarded(Step::wait, [&] { return set_->add(*listener.listener_, key); });
}

Result<void> WaitSet::add(Waitable waitable, std::uint64_t key) {
  if (!set_) return core::moved_from(Step::wait);
  return core::guarded(Step::wait, [&] { return set_->add(waitable, key); });
}

Result<void> WaitSet::change(Channel& channel, Want want) {
  if (!set_ || !channel.session_) return core::moved_from(Step::wait);
  return core::guarded(Step::wait, [&] { return set_->change(*channel.session_, want); });
}

Result<void> WaitSet::remove(Channel& channel) {
  if (!set_ || !channel.session_) return core::moved_from(Step::wait);
  return set_->remove(*channel.session_);
}

Result<void> WaitSet::remove(Listener& listener) {
  if (!set_ || !listener.listener_) return core::moved_from(Step::wait);
  return set_->remove(*listener.listener_);
}

Result<void> WaitSet::remove(Waitable waitable) {
  if (!set_) return core::moved_from(Step::wait);
  return set_->remove(waitable);
}

Result<std::size_t> WaitSet::wait(std::span<Event> events, Deadline deadline) {
  if (!set_) return core::moved_from(Step::wait);
  return core::guarded(Step::wait, [&] { return set_->wait(events, deadline); });
}

void WaitSet::wake() noexcept {
  if (set_) set_->wake();
}

}  // namespace sluice::inline v0
