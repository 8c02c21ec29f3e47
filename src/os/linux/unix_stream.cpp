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

// Room for the control message of kMaxHandles descriptors.
struct alignas(cmsghdr) ControlRoom {
  std::array<char, CMSG_SPACE(UnixStream::kMaxHandles * sizeof(int))> bytes;
};

void attach(msghdr& message, ControlRoom& room, std::span<const links::Descriptor::Native> handles) noexcept {
  room = {};
  message.msg_control = room.bytes.data();
  message.msg_controllen = CMSG_SPACE(handles.size() * sizeof(int));
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

// The descriptors that came along with a message, owned whatever the message is.
struct Arrived {
  std::array<links::Descriptor, UnixStream::kMaxHandles> handles;
  std::size_t count{0};
};

void detach(msghdr& message, Arrived& arrived) noexcept {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count && arrived.count < arrived.handles.size(); ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(header) + i * sizeof descriptor, sizeof descriptor);
      arrived.handles[arrived.count++] = links::Descriptor{descriptor};
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
  return send_now(socket_, message);
}

Result<std::size_t> UnixStream::read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>* handles) {
  Parts parts;
  ControlRoom room;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = collect(rooms, parts);
  if (message.msg_iovlen == 0) return std::size_t{0};
  if (handles != nullptr) {
    handles->reserve(handles->size() + kMaxHandles);  // before anything is taken that a failure would lose
    message.msg_control = room.bytes.data();
    message.msg_controllen = room.bytes.size();
  }  // else: without room for them the kernel closes those that came (unix(7), SCM_RIGHTS)
  const auto count = receive_now(socket_, message);
  if (!count || handles == nullptr) return count;
  Arrived arrived;
  detach(message, arrived);
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    // Either they were more than there was room for, or the kernel could not install them all in this process.
    const bool full = arrived.count == kMaxHandles;
    return Error{full ? Errc::protocol_error : Errc::limit_reached, Step::receive, full ? 0 : EMFILE, 0, 0};
  }
  for (auto& handle : std::span{arrived.handles}.first(arrived.count)) handles->push_back(std::move(handle));
  return count;
}

}  // namespace sluice::inline v0::os
