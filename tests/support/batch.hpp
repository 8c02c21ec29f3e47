// Several messages of a stream, sent with one call.
#pragma once

#include <sluice/sluice.hpp>

#include <cstdint>
#include <vector>

#include "content.hpp"
#include "handles.hpp"

namespace sluice_test {

// Messages first … first + count - 1 of the stream that follows from a seed, with their handles: how many were accepted.
[[nodiscard]] inline sluice::Result<std::size_t> send_batch(sluice::Channel& channel, std::uint64_t seed, const Sizes& sizes,
                                                            std::uint64_t first, std::uint64_t count, sluice::Deadline deadline,
                                                            const HandleCounts& handles = {.mixed = false, .fixed = 0}) {
  std::vector<std::vector<std::byte>> contents(count);
  std::vector<std::span<const std::byte>> parts(count);
  std::vector<std::vector<sluice::Handle>> given(count);
  std::vector<sluice::Outgoing> batch(count);
  for (std::size_t at = 0; at < count; ++at) {
    contents[at].resize(sizes.of(seed, first + at));
    Content(seed, first + at).fill(contents[at]);
    parts[at] = contents[at];
    given[at] = make_handles(handles, seed, first + at);
    batch[at] = {.parts = {&parts[at], 1}, .handles = given[at]};
  }
  return channel.send_many(batch, deadline);
}

}  // namespace sluice_test
