#include "core/waiting.hpp"

#include <utility>

namespace sluice::inline v0::core {
namespace {

constexpr std::uint64_t kFirstPoint = 0;  // and 1
constexpr std::uint64_t kTether = 2;      // all of its waitables
constexpr std::uint64_t kAlarm = 3;       // says nothing but that it is time
constexpr std::size_t kReadyAtOnce = 8;

}  // namespace

Result<void> WaitingPlace::start_waiting(const links::Tether* tether) {
  if (!waiter_ || (tether != nullptr && !is_tether_watched_)) {
    if (auto prepared = prepare(tether); !prepared) return prepared;
  }
  // seq_cst: before the caller's next look at what it waits for, and after what others changed before they looked at us
  waiting_.store(true, std::memory_order_seq_cst);
  return {};
}

// Makes the waiter, and has it watch the tether, where that isn't done yet. wake() reaches no place in which waiting_ is not
// set, or one whose waiter is there.
Result<void> WaitingPlace::prepare(const links::Tether* tether) {
  if (!waiter_) {
    auto waiter = links::Waiter::create();
    if (!waiter) return waiter.error();
    waiter_.emplace(*std::move(waiter));
  }
  if (tether == nullptr) return {};
  // What was waited for until there was a tether (Beginning) is over.
  for (auto& point : registered_) {
    if (point.waitable) waiter_->remove(point.waitable);
    point = {};
  }
  for (const auto waitable : tether->waitables()) {
    auto added = waiter_->add(waitable, {.readable = true}, kTether);
    if (added) continue;
    for (const auto one : tether->waitables()) waiter_->remove(one);
    return added;
  }
  is_tether_watched_ = true;
  return {};
}

// Keeps the registration as the point wants it. A point at which nothing is waited for is not registered at all: a hang-up
// there would wake us again and again.
Result<void> WaitingPlace::register_point(std::size_t index, WaitingPoint point) {
  WaitingPoint& now = registered_[index];
  const std::uint64_t key = kFirstPoint + index;
  if (point.interest == links::Interest{}) point = {};
  if (now.waitable == point.waitable && now.interest == point.interest) return {};
  Result<void> done;
  if (now.waitable == point.waitable) {
    done = waiter_->modify(point.waitable, point.interest, key);
  } else {
    if (now.waitable) waiter_->remove(now.waitable);
    now = {};
    if (point.waitable) done = waiter_->add(point.waitable, point.interest, key);
  }
  if (done) now = point;
  return done;
}

void WaitingPlace::forget(const links::Tether* tether) noexcept {
  if (!waiter_) return;
  if (alarm_) alarm_->stop();
  for (auto& point : registered_) {
    if (point.waitable) waiter_->remove(point.waitable);
    point = {};
  }
  if (!std::exchange(is_tether_watched_, false)) return;
  for (const auto waitable : tether->waitables()) waiter_->remove(waitable);
}

Result<void> WaitingPlace::set_alarm(std::optional<std::chrono::milliseconds> from_now) {
  if (!from_now) {
    if (alarm_) alarm_->stop();
    return {};
  }
  if (!alarm_) {
    auto alarm = links::Alarm::create();
    if (!alarm) return alarm.error();
    if (auto added = waiter_->add(alarm->waitable(), {.readable = true}, kAlarm); !added) return added;
    alarm_.emplace(*std::move(alarm));
  }
  alarm_->set(*from_now);
  return {};
}

Result<Woken> WaitingPlace::sleep(std::span<const WaitingPoint> points, Deadline deadline) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (auto done = register_point(i, points[i]); !done) return done.error();
  }
  std::array<links::Ready, kReadyAtOnce> ready;
  const auto count = waiter_->wait(ready, deadline);
  if (!count) return count.error();
  Woken woken;
  for (const auto& one : std::span{ready}.first(*count)) {
    woken.severed |= one.key == kTether;
    woken.rung |= one.key < kTether;
    woken.writable |= one.key < kTether && one.writable;
  }
  return woken;
}

}  // namespace sluice::inline v0::core
