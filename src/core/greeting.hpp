// Greeting: the frames of a handshake (a hello, or a control record) over a link on which no session runs yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sluice/result.hpp>

#include "core/any_records.hpp"
#include "core/hello.hpp"
#include "core/record.hpp"
#include "links/descriptor.hpp"
#include "links/meeting.hpp"

namespace sluice::inline v0::core {

struct Frame {
  std::vector<std::byte> bytes;
  std::vector<links::Descriptor> handles;
  bool lost_handles{false};  // some came that could not be opened here: there are none
};

// Borrows the link (of a meeting), which must be a stream or packets.
class Greeting {
 public:
  explicit Greeting(const links::AnyLink& link) noexcept;

  // Queues a frame; `handles` (borrowed until they are out) travel with its first byte.
  void queue(std::vector<std::byte> frame, std::vector<links::Descriptor> handles = {});
  // Sends what is queued. would_block: not all of it could go.
  Result<void> send();

  // The next frame, a hello or a control record. would_block: not all of it is there. Handles that come with it are taken only
  // where an offer is awaited that has some: what else comes is discarded by the system, without being opened here. (A
  // descriptor of a file system in user space makes whoever closes it wait for that: close(2), FUSE_FLUSH.)
  enum class Handles : std::uint8_t { discard, take };
  Result<Frame> receive_hello();
  Result<Frame> receive_control(Handles handles);

  [[nodiscard]] WaitingPoint waiting_point() const;

 private:
  struct Out {
    std::vector<std::byte> bytes;
    std::size_t gone{0};
    std::vector<links::Descriptor> handles;
  };
  using SizeOf = Result<std::size_t> (*)(std::span<const std::byte>);

  Result<Frame> receive(std::size_t fixed, SizeOf size_of, Handles handles);
  Result<void> fill(std::size_t size, Handles handles);
  Result<Frame> receive_packet();
  Result<std::size_t> send_some(Out& out);

  links::StreamLink* stream_{nullptr};
  links::PacketLink* packets_{nullptr};
  std::vector<Out> out_;
  Frame in_;  // of the frame that is being received
  std::size_t received_{0};
  std::size_t left_{kHelloLimit};  // of what the peer may say before it has finished its handshake
};

// A control record as a frame: header, control, then `numbers`.
[[nodiscard]] std::vector<std::byte> control_frame(const Control& control, std::span<const std::uint64_t> numbers = {});

}  // namespace sluice::inline v0::core
