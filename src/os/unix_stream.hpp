// UnixStream: a connected Unix stream socket as a StreamLink. It carries bytes and file descriptors (unix(7), SCM_RIGHTS).
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "links/descriptor.hpp"
#include "links/stream_link.hpp"
#include "os/socket_calls.hpp"

namespace sluice::inline v0::os {

class UnixStream final : public links::StreamLink {
 public:
  // As many as one sendmsg(2) takes (unix(7), SCM_RIGHTS).
  static constexpr std::size_t kMaxHandles = links::kMostHandles;
  // As many as a read takes before accept_handles(): a peer that sends more with an Offer is no Sluice peer.
  static constexpr std::size_t kHandlesInHandshake = 16;

  explicit UnixStream(links::Descriptor socket) noexcept : socket_(std::move(socket)) {}

  using StreamLink::read;
  using StreamLink::write;
  // limit_reached: the system holds too many descriptors on their way already (ETOOMANYREFS).
  Result<std::size_t> write(std::span<const std::span<const std::byte>> buffers,
                            std::span<const links::Descriptor::Native> handles) override;
  // Ancillary data is a barrier: a read ends behind the bytes that it came with, and the next has the next (unix(7), "Ancillary
  // messages").
  Result<std::size_t> read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>* handles) override;

  Result<void> finish_writing() override;
  [[nodiscard]] bool was_reset() const override { return reset_.is_set(); }

  [[nodiscard]] links::Waitable incoming() const override { return {socket_.native()}; }
  [[nodiscard]] links::Waitable outgoing() const override { return {socket_.native()}; }
  [[nodiscard]] bool carries_handles() const override { return true; }
  void accept_handles(std::size_t most) override { most_handles_ = std::min(most, kMaxHandles); }

 private:
  links::Descriptor socket_;
  ResetMark reset_;
  std::size_t most_handles_{kHandlesInHandshake};  // of one read
};

}  // namespace sluice::inline v0::os
