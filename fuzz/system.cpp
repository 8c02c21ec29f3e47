// What the decoders ask of the operating system, without one: the targets run the platform-free core alone.
#include "links/system.hpp"

#include <algorithm>
#include <utility>

#include <sluice/handle.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::links {

Result<void> random_bytes(std::span<std::byte> room) {
  std::ranges::fill(room, std::byte{0x5A});  // the same in each run, so that a crash repeats
  return {};
}
std::uint32_t process_generation() noexcept { return 0; }
void prefetch(const void* /*line*/) noexcept {}
unsigned usable_processors() noexcept { return 1; }
unsigned all_processors() noexcept { return 1; }
std::int64_t coarse_milliseconds() noexcept { return 1; }

Descriptor::Descriptor(Native native) noexcept : native_(native) {}
void Descriptor::reset() noexcept { native_ = kNone; }
Descriptor::Native Descriptor::release() noexcept { return std::exchange(native_, kNone); }

}  // namespace sluice::inline v0::links

namespace sluice::inline v0 {
void Handle::close() noexcept { native_ = kNone; }
}  // namespace sluice::inline v0
