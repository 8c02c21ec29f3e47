// XXH3-128 from xxHash, compiled in here alone (XXH_INLINE_ALL), so that the tool needs no library at run time.
#include "digest.hpp"

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tool {

struct Digester::State {
  XXH3_state_t xxh3;
};

Digester::Digester() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->xxh3); }
Digester::~Digester() = default;
Digester::Digester(Digester&&) noexcept = default;
Digester& Digester::operator=(Digester&&) noexcept = default;

void Digester::update(std::span<const std::byte> bytes) { XXH3_128bits_update(&state_->xxh3, bytes.data(), bytes.size()); }

transfer::Digest Digester::digest() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state_->xxh3));
  static_assert(sizeof(canonical.digest) == sizeof(transfer::Digest));
  transfer::Digest digest;
  std::memcpy(digest.data(), canonical.digest, digest.size());
  return digest;
}

}  // namespace tool
