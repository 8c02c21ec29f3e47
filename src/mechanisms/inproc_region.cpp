#include "mechanisms/inproc_region.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "mechanisms/inproc_birthplace.hpp"

namespace sluice::inline v0::mechanism::inproc {
namespace {

constexpr std::size_t kDefaultCapacity = std::size_t{1} << 20;  // of a ring
// Lines of different owners are 128 bytes apart, and so must the region begin.
constexpr std::size_t kAlignment = 128;

class InprocRegion final : public links::RegionLink {
 public:
  InprocRegion(std::shared_ptr<CommonRegion> region, CommonRegion::End end) noexcept : region_(std::move(region)), end_(end) {}
  ~InprocRegion() override {
    if (!birthplace_.is_here()) abandon(region_);
  }

  [[nodiscard]] std::span<std::byte> memory() const override { return region_->memory(); }
  [[nodiscard]] bool is_maker() const override { return end_ == CommonRegion::End::maker; }
  Result<void> reserve(std::size_t offset, std::size_t size) override { return region_->reserve(offset, size); }
  [[nodiscard]] bool silence() noexcept override {
    if (birthplace_.is_here()) region_->silence(end_);
    return true;  // both ends of the bell live as long as the region
  }
  [[nodiscard]] links::Waitable bell() const override { return region_->bell(end_); }

 private:
  void ring_bell() noexcept override {
    if (birthplace_.is_here()) region_->ring(end_);
  }

  std::shared_ptr<CommonRegion> region_;
  const CommonRegion::End end_;
  Birthplace birthplace_;
};

}  // namespace

void CommonRegion::Free::operator()(std::byte* memory) const noexcept { std::free(memory); }

Result<std::shared_ptr<CommonRegion>> CommonRegion::create(std::size_t wish, std::uint64_t backed) {
  if (wish > links::kMaxRingCapacity) {
    return Error{Errc::limit_reached, Step::make_region, 0, static_cast<std::int64_t>(wish), links::kMaxRingCapacity};
  }
  const std::size_t capacity = wish == 0 ? kDefaultCapacity : std::bit_ceil(std::max(wish, links::kMinRingCapacity));
  const std::size_t size = links::region_size(capacity);
  // calloc: large blocks come from the system as zero pages, which cost nothing until they are touched.
  std::size_t space = size + kAlignment;
  Memory owned(static_cast<std::byte*>(std::calloc(space, 1)));
  if (!owned) return Error{Errc::out_of_memory, Step::make_region, 0, static_cast<std::int64_t>(size), 0};
  void* begin = owned.get();
  begin = std::align(kAlignment, size, begin, space);
  auto bells = os::Doorbell::create();
  if (!bells) return bells.error();
  return std::shared_ptr<CommonRegion>(new CommonRegion(std::move(owned), {static_cast<std::byte*>(begin), size}, backed,
                                                        {std::move(bells->first), std::move(bells->second)}));
}

Result<void> CommonRegion::reserve(std::size_t offset, std::size_t size) {
  if (offset > memory_.size() || size > memory_.size() - offset) return Error{Errc::misuse, Step::reserve_memory, 0, 0, 0};
  // relaxed, here and below: the number orders nothing but itself
  std::uint64_t left = backed_.load(std::memory_order_relaxed);
  do {
    if (size > left) {
      return Error{Errc::limit_reached, Step::reserve_memory, 0, static_cast<std::int64_t>(size),
                   static_cast<std::int64_t>(left)};
    }
  } while (!backed_.compare_exchange_weak(left, left - size, std::memory_order_relaxed));
  return {};
}

std::shared_ptr<links::RegionLink> make_region_link(std::shared_ptr<CommonRegion> region, CommonRegion::End end) {
  return std::make_shared<InprocRegion>(std::move(region), end);
}

}  // namespace sluice::inline v0::mechanism::inproc
