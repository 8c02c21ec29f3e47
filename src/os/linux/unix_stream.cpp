// UnixStream over sendmsg(2) and recvmsg(2), by which descriptors travel along (unix(7), SCM_RIGHTS).
#include "os/unix_stream.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "os/socket_calls.hpp"

namespace sluice::inline v0::os {
namespace {

// Room for the control message of kMaxHandles descriptors; not filled unless there are some.
struct alignas(cmsghdr) ControlRoom {
  std::array<char, CMSG_SPACE(UnixStream::kMaxHandles * sizeof(int))> bytes;
};

void attach(msghdr& message, ControlRoom& room, std::span<const links::Descriptor::Native> handles) noexcept {
  message.msg_control = room.bytes.data();
  message.msg_controllen = CMSG_SPACE(handles.size() * sizeof(int));
  std::memset(room.bytes.data(), 0, message.msg_controllen);  // CMSG_NXTHDR(3) wants zeros
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(handles.size() * sizeof(int));
  unsigned char* to = CMSG_DATA(header);
  for (const auto handle : handles) {
    const int descriptor = static_cast<int>(handle);
    std::memcpy(to, &descriptor, sizeof descriptor);
    to += sizeof descriptor;
  }
}

// The descriptors that came along with a message, owned whatever the message is. `handles` has room for them.
void detach(msghdr& message, std::vector<links::Descriptor>& handles) noexcept {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(header) + i * sizeof descriptor, sizeof descriptor);
      handles.emplace_back(descriptor);
    }
  }
}

}  // namespace

Result<std::size_t> UnixStream::write(std::span<const std::span<const std::byte>> buffers,
                                      std::span<const links::Descriptor::Native> handles) {
  Parts parts;
  ControlRoom room;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = collect(buffers, parts);
  if (!handles.empty()) {
    // At least one byte must go with them (unix(7)).
    if (message.msg_iovlen == 0 || handles.size() > kMaxHandles) return Error{Errc::misuse, Step::send, 0, 0, 0};
    attach(message, room, handles);
  }
  if (message.msg_iovlen == 0) return std::size_t{0};
  return send_now(socket_, message, reset_);
}

Result<std::size_t> UnixStream::read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>* handles) {
  Parts parts;
  ControlRoom room;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = collect(rooms, parts);
  if (message.msg_iovlen == 0) return std::size_t{0};
  if (handles != nullptr) {
    handles->reserve(handles->size() + most_handles_ + 1);  // before anything is taken that a failure would lose
    message.msg_control = room.bytes.data();
    message.msg_controllen = CMSG_LEN(most_handles_ * sizeof(int));  // without padding, in which another one would have room
  }  // else: without room for them the kernel closes those that came (unix(7), SCM_RIGHTS)
  const auto count = receive_now(socket_, message, reset_);
  if (!count || handles == nullptr) return count;
  const std::size_t before = handles->size();
  detach(message, *handles);
  if ((message.msg_flags & MSG_CTRUNC) == 0) return count;
  // Either they were more than there was room for, or the kernel could not install them all in this process (recvmsg(2),
  // MSG_CTRUNC; unix(7), SCM_RIGHTS): what is missing is lost, and so the others are of no use.
  const bool were_too_many = handles->size() - before == most_handles_;
  handles->resize(before);
  if (were_too_many) return Error{Errc::protocol_error, Step::receive, 0, 0, 0};
  handles->emplace_back();
  return count;
}

Result<void> UnixStream::finish_writing() { return finish_writing_now(socket_); }

}  // namespace sluice::inline v0::os
