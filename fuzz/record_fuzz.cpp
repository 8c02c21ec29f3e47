// Any bytes as the header of a record and as a control record: what was read packs into the same bytes.
#include <algorithm>

#include "core/record.hpp"
#include "fuzz/require.hpp"

using namespace sluice::core;
using sluice_fuzz::require;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span{data, size});
  const auto control = decode_control(bytes);
  require(control.has_value() == (size >= kControlSize), "sixteen bytes are a control word");
  if (control)
    require(std::ranges::equal(encode(*control), bytes.first(kControlSize)), "a control word packs into the same bytes");
  if (size < kHeaderSize) return 0;
  const auto packed = load_little<std::uint64_t>(bytes.data());
  const auto header = unpack(packed);
  if (!header) return 0;
  require(pack(*header) == packed, "a header packs into the same bits");
  require(header->length <= kLengthMask && header->kind != Kind::none, "a header has a kind and a bounded length");
  return 0;
}
