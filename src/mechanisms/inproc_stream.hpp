// The inproc stream: two byte pipes, one each way, in the memory of the process. By option it takes and gives few bytes at a
// time (chop), and writes in the completion style (outbox): a foreign thread owns the bytes and moves them on.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/stream_link.hpp"
#include "links/waiter.hpp"
#include "mechanisms/inproc_variant.hpp"
#include "os/gate.hpp"

namespace sluice::inline v0::mechanism::inproc {

// One direction: a bounded ring of bytes. Any thread may call anything; one at a time writes, one at a time reads.
class BytePipe {
 public:
  // limit_reached: no descriptors; out_of_memory.
  static Result<std::shared_ptr<BytePipe>> create(std::size_t size, std::size_t chop);

  // Copies in from the front of `buffers` what there is room for, at most `chop` bytes. would_block; peer_died: the reading
  // end is gone. `handles` stay the caller's: duplicates lie in the pipe, at the first byte that was copied in. limit_reached:
  // no descriptors left for them; misuse: one isn't open, or there is no byte.
  Result<std::size_t> write(std::span<const std::span<const std::byte>> buffers,
                            std::span<const links::Descriptor::Native> handles);
  // The same for one buffer and for a thread that may wait: all of it goes in, or the reading end is gone (false).
  bool write_all(std::span<const std::byte> bytes);
  // Copies out into the front of `rooms`, at most `chop` bytes, and those before the second that has handles; the handles of
  // one byte with it (null: they are closed). 0: the writing end is gone and everything was read.
  Result<std::size_t> read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>* handles);

  void end_writing() noexcept;
  // What was not read is lost.
  void end_reading() noexcept;
  [[nodiscard]] bool is_reader_gone() const noexcept;

  [[nodiscard]] links::Waitable readable() const noexcept { return readable_.waitable(); }
  [[nodiscard]] links::Waitable writable() const noexcept { return writable_.waitable(); }

 private:
  BytePipe(std::unique_ptr<std::byte[]> bytes, std::size_t size, std::size_t chop, os::Gate readable,
           os::Gate writable) noexcept
      : bytes_(std::move(bytes)), size_(size), chop_(chop), readable_(std::move(readable)), writable_(std::move(writable)) {}

  struct Attached {
    std::uint64_t position;  // of the byte that they travel with
    std::vector<links::Descriptor> handles;
  };

  std::size_t copy_in(std::span<const std::byte> from) noexcept;
  std::size_t copy_out(std::span<std::byte> to) noexcept;
  void changed() noexcept;

  const std::unique_ptr<std::byte[]> bytes_;
  const std::size_t size_;
  const std::size_t chop_;

  mutable std::mutex mutex_;      // everything below, and the bytes
  std::condition_variable room_;  // for write_all()
  std::size_t begin_{0};
  std::size_t filled_{0};
  std::uint64_t read_{0};  // bytes, in all
  std::deque<Attached> attached_;
  bool writer_gone_{false};
  bool reader_gone_{false};
  os::Gate readable_;  // open while there are bytes, or the end
  os::Gate writable_;  // open while there is room, or nobody reads
};

// Both ends of a stream as the variant wants it. limit_reached: no descriptors or threads; out_of_memory.
Result<std::pair<std::unique_ptr<links::StreamLink>, std::unique_ptr<links::StreamLink>>> make_streams(const Variant& variant);

}  // namespace sluice::inline v0::mechanism::inproc
