// OverlappedStream: a handle whose reads and writes complete later, as a StreamLink.
//
//   read()  <- in   <- one read, outstanding from the beginning on whenever `in` is empty
//   write() -> out  -> one write at a time; what `out` has taken is accepted, and never cancelled
//
// Operations carry no event of their own: such an operation dies with the thread that issued it. The handle belongs to a
// completion port of the stream's own, which whoever calls or waits drains (look()); what one thread has fetched another may
// wait for, so each direction has a gate besides. When the link goes with a write on its way, the system's thread pool keeps
// handle and memory until that is done: what was accepted still arrives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "links/stream_link.hpp"
#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::os {

// The calls of one kind of handle, which it owns. Its destructor closes it, whereby the system gives up what is outstanding.
class OverlappedHandle {
 public:
  // What has become of an operation.
  struct Outcome {
    enum class How : std::uint8_t { pending, done, failed };
    How how{How::pending};
    std::size_t size{0};  // done: how many bytes
    int os_code{0};       // failed
  };

  OverlappedHandle() = default;
  OverlappedHandle(const OverlappedHandle&) = delete;
  OverlappedHandle& operator=(const OverlappedHandle&) = delete;
  virtual ~OverlappedHandle() = default;

  [[nodiscard]] virtual HANDLE native() const noexcept = 0;
  // Memory and `operation` are lent until the outcome is known: pending, and then told by a completion.
  [[nodiscard]] virtual Outcome read(std::span<std::byte> room, OVERLAPPED& operation) noexcept = 0;
  [[nodiscard]] virtual Outcome write(std::span<const std::byte> bytes, OVERLAPPED& operation) noexcept = 0;
  // Of one that has completed.
  [[nodiscard]] virtual Outcome outcome(OVERLAPPED& operation) noexcept = 0;
  // As StreamLink::finish_writing; no write is on its way.
  [[nodiscard]] virtual Result<void> finish_writing() noexcept = 0;
};

class OverlappedStream final : public links::StreamLink {
 public:
  // Takes a connected handle whose operations nobody else sees, and begins to read. limit_reached: no handles left;
  // out_of_memory.
  static Result<std::unique_ptr<links::StreamLink>> create(std::unique_ptr<OverlappedHandle> handle);
  ~OverlappedStream() override;

  using StreamLink::read;
  using StreamLink::write;
  Result<std::size_t> write(std::span<const std::span<const std::byte>> buffers,
                            std::span<const links::Descriptor::Native> handles) override;
  Result<std::size_t> read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>* handles) override;
  Result<void> finish_writing() override;
  [[nodiscard]] bool was_reset() const override;

  [[nodiscard]] links::Waitable incoming() const override;
  [[nodiscard]] links::Waitable outgoing() const override;
  [[nodiscard]] bool pending() const override;

 private:
  class Ends;
  class Lingering;
  OverlappedStream(std::shared_ptr<Ends> ends, std::unique_ptr<Lingering> lingering) noexcept;

  std::shared_ptr<Ends> ends_;
  std::unique_ptr<Lingering> lingering_;  // made beforehand, for a destructor can't do without
};

}  // namespace sluice::inline v0::os
