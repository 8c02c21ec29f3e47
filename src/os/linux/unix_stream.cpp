// UnixStream over sendmsg(2) and recvmsg(2), with the flags that Linux has: nothing here depends on O_NONBLOCK, which whoever
// shares the socket could change.
#include "os/unix_stream.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr std::size_t kParts = 64;  // a call; well below IOV_MAX (1024, readv(2)), 1 KiB of stack

using Parts = std::array<iovec, kParts>;

// Room for the control message of kMaxHandles descriptors; not filled unless there are some.
struct alignas(cmsghdr) ControlRoom {
  std::array<char, CMSG_SPACE(UnixStream::kMaxHandles * sizeof(int))> bytes;
};

// The first parts that are not empty, as the system wants them.
template <class Span>
std::size_t collect(std::span<const Span> spans, Parts& parts) noexcept {
  std::size_t count = 0;
  for (const auto& span : spans) {
    if (span.empty()) continue;
    if (count == parts.size()) break;
    // sendmsg doesn't write there, but iovec serves both directions.
    parts[count++] = {const_cast<std::byte*>(static_cast<const std::byte*>(span.data())), span.size()};
  }
  return count;
}

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
  while (true) {
    const ssize_t count = ::sendmsg(static_cast<int>(socket_.native()), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) return failure(errno, Step::send);
  }
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
  while (true) {
    const ssize_t count = ::recvmsg(static_cast<int>(socket_.native()), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0 && errno == EINTR) continue;
    // A peer that closed, or died, with unread input resets; what it had sent has been read before (the queue comes first).
    if (count < 0 && errno == ECONNRESET) return std::size_t{0};
    if (count < 0) return failure(errno, Step::receive);
    if (handles == nullptr) return static_cast<std::size_t>(count);
    const std::size_t before = handles->size();
    detach(message, *handles);
    if ((message.msg_flags & MSG_CTRUNC) == 0) return static_cast<std::size_t>(count);
    // Either they were more than there was room for, or the kernel could not install them all in this process (recvmsg(2),
    // MSG_CTRUNC; unix(7), SCM_RIGHTS): what is missing is lost, and so the others are of no use.
    const bool were_too_many = handles->size() - before == most_handles_;
    handles->resize(before);
    if (were_too_many) return Error{Errc::protocol_error, Step::receive, 0, 0, 0};
    handles->emplace_back();
    return static_cast<std::size_t>(count);
  }
}

}  // namespace sluice::inline v0::os
