#include "core/beginning.hpp"

#include <utility>

namespace sluice::inline v0::core {

Beginning::Beginning(std::unique_ptr<Connecting> connecting, links::Waiter waiter) noexcept
    : connecting_(std::move(connecting)), waiter_(std::move(waiter)) {}

Result<std::unique_ptr<Beginning>> Beginning::create(std::unique_ptr<Connecting> connecting) {
  auto waiter = links::Waiter::create();
  if (!waiter) return waiter.error();
  return std::unique_ptr<Beginning>(new Beginning(std::move(connecting), *std::move(waiter)));
}

Result<Established> Beginning::step() {
  if (!connecting_) return Error{Errc::closed, Step::connect, 0, 0, 0};
  unwatch();  // a step may close what is watched, and open another under the same number
  auto established = connecting_->step();
  if (!established && established.error().code == Errc::would_block) {
    const auto watched = watch();
    if (watched) return established;
    established = watched.error();
  }
  drop();
  return established;
}

void Beginning::drop() noexcept {
  unwatch();
  connecting_.reset();
}

Result<void> Beginning::watch() {
  if (const auto point = connecting_->waiting_point()) {
    if (auto added = waiter_.add(point->waitable, point->interest, 0); !added) return added;
    watched_ = point->waitable;
  }
  const auto after = connecting_->retry_after();
  if (!after) return {};
  if (!alarm_) {
    auto alarm = links::Alarm::create();
    if (!alarm) return alarm.error();
    alarm_.emplace(*std::move(alarm));
    if (auto added = waiter_.add(alarm_->waitable(), {.readable = true}, 0); !added) return added;
  }
  alarm_->set(*after);
  return {};
}

void Beginning::unwatch() noexcept {
  if (watched_) waiter_.remove(watched_);
  watched_ = {};
  if (alarm_) alarm_->stop();
}

}  // namespace sluice::inline v0::core
