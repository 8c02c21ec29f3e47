#include "mechanisms/inproc_outbox.hpp"

#include <system_error>
#include <thread>

namespace sluice::inline v0::mechanism::inproc {

Result<void> start_thread(std::function<void()> work) {
  try {
    std::thread{std::move(work)}.detach();
    return {};
  } catch (const std::system_error& error) {  // EAGAIN: pthread_create(3)
    return Error{Errc::limit_reached, Step::make_queues, error.code().value(), 0, 0};
  }
}

Result<std::shared_ptr<Outbox>> Outbox::create(std::size_t limit, Deliver deliver, std::function<void()> finish) {
  auto empty = os::Gate::create(os::Gate::Ready::for_writing, true);
  if (!empty) return empty.error();
  return std::shared_ptr<Outbox>(new Outbox(limit, std::move(deliver), std::move(finish), *std::move(empty)));
}

Result<void> Outbox::start() {
  return start_thread([self = shared_from_this()] { self->run(); });
}

Result<std::size_t> Outbox::room() const {
  const std::lock_guard lock(mutex_);
  if (failed_) return Errc::peer_died;
  if (used_ == limit_) return Errc::would_block;
  return limit_ - used_;
}

void Outbox::put(links::Buffer bytes, std::size_t cost) {
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return;  // since room(); the next call of room() tells
    parcels_.push_back({std::move(bytes), cost});
    used_ += cost;
    empty_.set(false);
  }
  filled_.notify_one();
}

bool Outbox::pending() const {
  const std::lock_guard lock(mutex_);
  return used_ != 0;
}

void Outbox::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  filled_.notify_one();
}

void Outbox::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    filled_.wait(lock, [this] { return !parcels_.empty() || closed_; });
    if (parcels_.empty()) break;
    Parcel parcel = std::move(parcels_.front());
    parcels_.pop_front();
    lock.unlock();
    const bool delivered = deliver_(std::move(parcel.bytes));
    lock.lock();
    used_ -= parcel.cost;
    if (!delivered) {
      failed_ = true;
      parcels_.clear();
      used_ = 0;
    }
    if (used_ == 0) empty_.set(true);
    if (failed_) break;
  }
  lock.unlock();
  finish_();
}

}  // namespace sluice::inline v0::mechanism::inproc
