// The offer of a region: numbers {size, capacity}; handles {memory, the taker's end of the doorbell}.
#include "os/shared_region.hpp"

#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include "os/failure.hpp"
#include "os/handles.hpp"
#include "os/reserve.hpp"
#include "os/unnamed_memory.hpp"

namespace sluice::inline v0::os {
namespace {

// A default that three frames of full HD video fit into, and that a /dev/shm of 64 MiB (a container's) holds several times.
constexpr std::size_t kDefaultCapacity = std::size_t{4} << 20;

constexpr std::size_t kNumbers = 2;
constexpr std::size_t kHandles = 2;

Error broken_offer() noexcept { return {Errc::protocol_error, Step::offer, 0, 0, 0}; }

bool is_capacity(std::uint64_t capacity) noexcept {
  return capacity >= links::kMinRingCapacity && capacity <= links::kMaxRingCapacity && std::has_single_bit(capacity);
}

// Growing a file beyond RLIMIT_FSIZE raises SIGXFSZ (setrlimit(2)); so that is asked before.
Result<void> grow(const links::Descriptor& object, std::size_t size) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < size) {
    return Error{Errc::limit_reached, Step::make_region, EFBIG, static_cast<std::int64_t>(size),
                 static_cast<std::int64_t>(limit.rlim_cur)};
  }
  while (::ftruncate(static_cast<int>(object.native()), static_cast<off_t>(size)) != 0) {
    if (errno != EINTR) return failure(errno, Step::make_region);
  }
  return {};
}

}  // namespace

Result<std::size_t> SharedRegion::capacity_for(std::size_t wish) noexcept {
  if (wish == 0) return kDefaultCapacity;
  if (wish > links::kMaxRingCapacity) {
    return Error{Errc::limit_reached, Step::make_region, 0, static_cast<std::int64_t>(wish), links::kMaxRingCapacity};
  }
  return std::bit_ceil(std::max(wish, links::kMinRingCapacity));
}

SharedRegion::SharedRegion(links::Descriptor object, Mapping mapping, Doorbell bell, bool is_maker) noexcept
    : object_(std::move(object)), mapping_(std::move(mapping)), bell_(std::move(bell)), is_maker_(is_maker) {}

Result<std::unique_ptr<SharedRegion>> SharedRegion::open(links::Descriptor object, std::size_t capacity, Doorbell bell,
                                                         bool is_maker) {
  auto mapping = Mapping::map(object, links::region_size(capacity));
  if (!mapping) return mapping.error();
  std::unique_ptr<SharedRegion> region(new SharedRegion(std::move(object), *std::move(mapping), std::move(bell), is_maker));
  // The head and the first stretch of ring 0 lie side by side.
  if (auto backed = region->reserve(0, links::kRegionHead + links::kFirstStretch); !backed) return backed.error();
  if (auto backed = region->reserve(links::kRegionHead + capacity, links::kFirstStretch); !backed) return backed.error();
  return region;
}

Result<std::unique_ptr<SharedRegion>> SharedRegion::make(links::Descriptor object, std::size_t capacity, Size size) {
  if (auto grown = grow(object, links::region_size(capacity)); !grown) return grown.error();
  if (size == Size::sealed) {
    if (auto sealed = seal_size(object); !sealed) return sealed.error();
  }
  auto bells = Doorbell::create();
  if (!bells) return bells.error();
  auto region = open(std::move(object), capacity, std::move(bells->first), true);
  if (region) (*region)->peers_bell_ = std::move(bells->second);
  return region;
}

Result<links::Offer> SharedRegion::offer() {
  if (!peers_bell_) return Error{Errc::misuse, Step::offer, 0, 0, 0};
  links::Offer offer;
  const std::size_t size = memory().size();
  offer.numbers = {size, (size - links::kRegionHead) / 2};
  auto object = duplicate(object_.native(), Step::offer);
  if (!object) return object.error();
  offer.handles.reserve(kHandles);
  offer.handles.push_back(*std::move(object));
  offer.handles.push_back((*std::exchange(peers_bell_, std::nullopt)).release());
  return offer;
}

Result<std::unique_ptr<SharedRegion>> SharedRegion::take(links::Offer offer, Size kind) {
  if (offer.numbers.size() != kNumbers || offer.handles.size() != kHandles) return broken_offer();
  const auto [size, capacity] = std::pair{offer.numbers[0], offer.numbers[1]};
  if (!is_capacity(capacity) || size != links::region_size(capacity)) return broken_offer();
  // The seals first: what the size is afterwards it stays.
  if (kind == Size::sealed && !has_sealed_size(offer.handles[0])) return broken_offer();
  if (!is_shared_memory(offer.handles[0], size)) return broken_offer();
  auto bell = Doorbell::adopt(std::move(offer.handles[1]));
  if (!bell) return bell.error();
  auto region = open(std::move(offer.handles[0]), capacity, *std::move(bell), false);
  if (region || region.error().code == Errc::limit_reached) return region;
  // A policy may forbid this process what its peer may do: those who can do without a region want to know.
  if (kind == Size::sealed && region.error().code == Errc::access_denied) return region;
  return broken_offer();  // a handle that can't be mapped is no region
}

Result<void> SharedRegion::reserve(std::size_t offset, std::size_t size) {
  if (offset > memory().size() || size > memory().size() - offset) return Error{Errc::misuse, Step::reserve_memory, 0, 0, 0};
  return back_with_memory(object_, offset, size);
}

}  // namespace sluice::inline v0::os
