// SocketStream: a connected stream socket as a StreamLink that carries bytes and nothing else.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "links/descriptor.hpp"
#include "links/stream_link.hpp"
#include "os/socket_calls.hpp"

namespace sluice::inline v0::os {

class SocketStream final : public links::StreamLink {
 public:
  explicit SocketStream(links::Descriptor socket) noexcept : socket_(std::move(socket)) {}

  using StreamLink::read;
  using StreamLink::write;
  Result<std::size_t> write(std::span<const std::span<const std::byte>> buffers,
                            std::span<const links::Descriptor::Native> handles) override;
  Result<std::size_t> read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>* handles) override;

  Result<void> finish_writing() override;
  [[nodiscard]] bool was_reset() const override { return reset_.is_set(); }

  [[nodiscard]] links::Waitable incoming() const override { return {socket_.native()}; }
  [[nodiscard]] links::Waitable outgoing() const override { return {socket_.native()}; }

 private:
  links::Descriptor socket_;
  ResetMark reset_;
};

}  // namespace sluice::inline v0::os
