// PipeStream: two pipes, one each way, as a StreamLink that carries bytes and nothing else.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/stream_link.hpp"

namespace sluice::inline v0::os {

// Both ends of a pipe, close-on-exec and blocking, as programs expect what they are given. Each has an open file of its own:
// whoever has the other end can't change its modes. `capacity`: bytes, rounded up by the system; 0: the system's default.
// limit_reached (Step::make_pipes): no descriptors left, or more capacity than this user may have (first: asked for, second:
// the most).
struct Pipe {
  links::Descriptor reading;
  links::Descriptor writing;
};
[[nodiscard]] Result<Pipe> make_pipe(std::size_t capacity);

// Whether it is an end of a pipe or FIFO for that direction alone.
[[nodiscard]] bool is_reading_end(const links::Descriptor& handle) noexcept;
[[nodiscard]] bool is_writing_end(const links::Descriptor& handle) noexcept;

// The same end as an open file of our own, close-on-exec and non-blocking: the modes of the one that was handed over belong to
// all that share it, who may read it plainly, or take them away. Where the system refuses that (no /proc, another user's pipe,
// no descriptors left, nobody at the other end any more), the same open file, with its modes set. misuse (Step::adopt): it has
// no such modes.
[[nodiscard]] Result<links::Descriptor> with_modes_of_its_own(links::Descriptor end);

class PipeStream final : public links::StreamLink {
 public:
  // Both non-blocking.
  PipeStream(links::Descriptor incoming, links::Descriptor outgoing) noexcept
      : incoming_(std::move(incoming)), outgoing_(std::move(outgoing)) {}

  using StreamLink::read;
  using StreamLink::write;
  Result<std::size_t> write(std::span<const std::span<const std::byte>> buffers,
                            std::span<const links::Descriptor::Native> handles) override;
  Result<std::size_t> read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>* handles) override;

  [[nodiscard]] links::Waitable incoming() const override { return {incoming_.native()}; }
  [[nodiscard]] links::Waitable outgoing() const override { return {outgoing_.native()}; }
  // limit_reached: it takes a descriptor for a moment; nothing has changed then.
  Result<void> finish_writing() override;

 private:
  links::Descriptor incoming_;
  links::Descriptor outgoing_;  // once writing is finished, what stands there for the pipe
};

// Writes to a pipe without waiting and without a SIGPIPE: what writev(2) returns, and errno.
[[nodiscard]] std::ptrdiff_t write_without_signal(int pipe, const iovec* parts, int count) noexcept;
// The same as systems do it that can't leave the signal out of a write (before Linux 6.18). Declared for its tests.
[[nodiscard]] std::ptrdiff_t write_and_take_signal_back(int pipe, const iovec* parts, int count) noexcept;

}  // namespace sluice::inline v0::os
