#include "os/socket_stream.hpp"

#include "os/socket_calls.hpp"

namespace sluice::inline v0::os {

Result<std::size_t> SocketStream::write(std::span<const std::span<const std::byte>> buffers,
                                        std::span<const links::Descriptor::Native> handles) {
  if (!handles.empty()) return Error{Errc::not_supported, Step::send, 0, 0, 0};
  Parts parts;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = collect(buffers, parts);
  if (message.msg_iovlen == 0) return std::size_t{0};
  return send_now(socket_, message, reset_);
}

Result<std::size_t> SocketStream::read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>*) {
  Parts parts;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = collect(rooms, parts);
  if (message.msg_iovlen == 0) return std::size_t{0};
  return receive_now(socket_, message, reset_);
}

Result<void> SocketStream::finish_writing() { return finish_writing_now(socket_); }

}  // namespace sluice::inline v0::os
