// UnixStream: a connected Unix stream socket as a StreamLink. It carries bytes and file descriptors (unix(7), SCM_RIGHTS).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "links/descriptor.hpp"
#include "links/stream_link.hpp"

namespace sluice::inline v0::os {

class UnixStream final : public links::StreamLink {
 public:
  // As many as travel with one call: Options::max_handles by default, and twice what an Offer holds. A peer that sends more at
  // once is no Sluice peer.
  static constexpr std::size_t kMaxHandles = 16;

  explicit UnixStream(links::Descriptor socket) noexcept : socket_(std::move(socket)) {}

  using StreamLink::read;
  using StreamLink::write;
  // limit_reached: the system holds too many descriptors on their way already (ETOOMANYREFS).
  Result<std::size_t> write(std::span<const std::span<const std::byte>> buffers,
                            std::span<const links::Descriptor::Native> handles) override;
  // protocol_error: more than kMaxHandles came at once. limit_reached: this process has no descriptors left for them. In both
  // cases those that did come are closed.
  Result<std::size_t> read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>* handles) override;

  [[nodiscard]] links::Waitable incoming() const override { return {socket_.native()}; }
  [[nodiscard]] links::Waitable outgoing() const override { return {socket_.native()}; }
  [[nodiscard]] bool carries_handles() const override { return true; }

 private:
  links::Descriptor socket_;
};

}  // namespace sluice::inline v0::os
