#include "mechanisms/inproc_region.hpp"

#include <cstdlib>
#include <limits>

#include "mechanisms/inproc_birthplace.hpp"

namespace sluice::inline v0::mechanism::inproc {
namespace {

// Lines of different owners are 128 bytes apart, and so must the region begin.
constexpr std::size_t kAlignment = 128;

class InprocRegion final : public links::RegionLink {
 public:
  InprocRegion(std::shared_ptr<SharedRegion> region, SharedRegion::End end) noexcept : region_(std::move(region)), end_(end) {}
  ~InprocRegion() override {
    if (!birthplace_.is_here()) abandon(region_);
  }

  [[nodiscard]] std::span<std::byte> memory() const override { return region_->memory(); }
  [[nodiscard]] bool is_maker() const override { return end_ == SharedRegion::End::maker; }
  Result<void> reserve(std::size_t offset, std::size_t size) override { return region_->reserve(offset, size); }
  void ring() noexcept override {
    if (birthplace_.is_here()) region_->ring(is_maker() ? SharedRegion::End::taker : SharedRegion::End::maker);
  }
  void silence() noexcept override {
    if (birthplace_.is_here()) region_->silence(end_);
  }
  [[nodiscard]] links::Waitable bell() const override { return region_->bell(end_); }

 private:
  std::shared_ptr<SharedRegion> region_;
  const SharedRegion::End end_;
  Birthplace birthplace_;
};

}  // namespace

void SharedRegion::Free::operator()(std::byte* memory) const noexcept { std::free(memory); }

Result<std::shared_ptr<SharedRegion>> SharedRegion::create(std::size_t capacity, std::uint64_t backed) {
  const std::size_t size = links::region_size(capacity);
  // calloc: large blocks come from the system as zero pages, which cost nothing until they are touched.
  std::size_t space = size + kAlignment;
  Memory owned(static_cast<std::byte*>(std::calloc(space, 1)));
  if (!owned) return Error{Errc::out_of_memory, Step::make_region, 0, static_cast<std::int64_t>(size), 0};
  void* begin = owned.get();
  begin = std::align(kAlignment, size, begin, space);
  auto maker = os::Gate::create(os::Gate::Ready::for_reading, false);
  if (!maker) return maker.error();
  auto taker = os::Gate::create(os::Gate::Ready::for_reading, false);
  if (!taker) return taker.error();
  return std::shared_ptr<SharedRegion>(new SharedRegion(std::move(owned), {static_cast<std::byte*>(begin), size}, backed,
                                                        {*std::move(maker), *std::move(taker)}));
}

Result<void> SharedRegion::reserve(std::size_t offset, std::size_t size) {
  if (offset > memory_.size() || size > memory_.size() - offset) return Error{Errc::misuse, Step::reserve_memory, 0, 0, 0};
  const std::lock_guard lock(mutex_);
  if (size > backed_) {
    constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();
    return Error{Errc::limit_reached, Step::reserve_memory, 0, static_cast<std::int64_t>(size),
                 static_cast<std::int64_t>(std::min(backed_, kLargest))};
  }
  backed_ -= size;
  return {};
}

void SharedRegion::ring(End whose) noexcept {
  const std::lock_guard lock(mutex_);
  bells_[index(whose)].set(true);
}

void SharedRegion::silence(End whose) noexcept {
  const std::lock_guard lock(mutex_);
  bells_[index(whose)].set(false);
}

std::shared_ptr<links::RegionLink> make_region_link(std::shared_ptr<SharedRegion> region, SharedRegion::End end) {
  return std::make_shared<InprocRegion>(std::move(region), end);
}

}  // namespace sluice::inline v0::mechanism::inproc
