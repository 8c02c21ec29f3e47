// sock_diag(7): a question about one socket, by its two addresses, and the kernel's answer; nobody needs a right for it. The
// user is that of the socket's inode. A socket without one (not accepted yet, or closed by its process) has no user: some
// kernels say root then.
#include "os/socket_owner.hpp"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "links/descriptor.hpp"
#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr std::size_t kAnswerRoom = 4096;  // some 200 bytes come; a page is what netlink(7) advises
constexpr std::uint32_t kEveryState = ~0U;

struct Question {
  nlmsghdr header;
  inet_diag_req_v2 request;
};
static_assert(sizeof(Question) == NLMSG_HDRLEN + sizeof(inet_diag_req_v2));

Error untold(int os_code) noexcept { return {Errc::not_supported, Step::identify_peer, os_code, 0, 0}; }

inet_diag_sockid name_of(const TcpAddress& at, const TcpAddress& to) noexcept {
  inet_diag_sockid id{};
  id.idiag_sport = htons(at.port);
  id.idiag_dport = htons(to.port);
  static_assert(sizeof id.idiag_src == sizeof at.bytes);
  std::memcpy(id.idiag_src, at.bytes.data(), sizeof id.idiag_src);
  std::memcpy(id.idiag_dst, to.bytes.data(), sizeof id.idiag_dst);
  return id;
}

Question question_about(const TcpAddress& at, const TcpAddress& to) noexcept {
  Question question{};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  question.request.sdiag_family = at.is_v6 ? AF_INET6 : AF_INET;
  question.request.sdiag_protocol = IPPROTO_TCP;
  question.request.idiag_states = kEveryState;
  question.request.id = name_of(at, to);
  question.request.id.idiag_cookie[0] = question.request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return question;
}

// One end of the socket that an answer is about. A socket of IPv6 can be at an address of IPv4.
TcpAddress end_in(const inet_diag_msg& found, std::span<const std::uint32_t, 4> address, std::uint16_t port) noexcept {
  TcpAddress end;
  end.is_v6 = found.idiag_family == AF_INET6;
  end.port = ntohs(port);
  std::memcpy(end.bytes.data(), address.data(), end.is_v6 ? address.size_bytes() : sizeof address[0]);
  return unmapped(end);
}

template <class Part>
std::optional<Part> read_part(std::span<const std::byte> bytes, std::size_t at) noexcept {
  if (bytes.size() < at || bytes.size() - at < sizeof(Part)) return std::nullopt;
  Part part;
  std::memcpy(&part, bytes.data() + at, sizeof part);
  return part;
}

}  // namespace

Result<std::optional<SocketOwner>> read_owner(std::span<const std::byte> answer, const TcpAddress& at, const TcpAddress& to) {
  const auto header = read_part<nlmsghdr>(answer, 0);
  if (!header || header->nlmsg_len < NLMSG_HDRLEN || header->nlmsg_len > answer.size()) return untold(EPROTO);
  const auto message = answer.first(header->nlmsg_len);
  if (header->nlmsg_type == NLMSG_ERROR) {
    const auto error = read_part<nlmsgerr>(message, NLMSG_HDRLEN);
    if (!error || error->error >= 0) return untold(EPROTO);
    if (error->error == -ENOENT) return std::optional<SocketOwner>{};
    return untold(error->error == INT32_MIN ? EPROTO : -error->error);
  }
  const auto found = read_part<inet_diag_msg>(message, NLMSG_HDRLEN);
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY || !found) return untold(EPROTO);
  // Where there is no such connection the kernel may answer with one who listens at `at`.
  if (end_in(*found, found->id.idiag_src, found->id.idiag_sport) != at ||
      end_in(*found, found->id.idiag_dst, found->id.idiag_dport) != to) {
    return std::optional<SocketOwner>{};
  }
  const bool is_half_closed = found->idiag_state == TCP_FIN_WAIT1 || found->idiag_state == TCP_FIN_WAIT2;
  return std::optional{SocketOwner{.is_connected = found->idiag_state == TCP_ESTABLISHED,
                                   .is_half_closed = is_half_closed,
                                   .has_file = found->idiag_inode != 0,
                                   .user_id = static_cast<std::int64_t>(found->idiag_uid)}};
}

Result<std::optional<SocketOwner>> owner_of(const TcpAddress& at, const TcpAddress& to) {
  const links::Descriptor netlink{::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG)};
  const auto refused = [] {
    const Error error = failure(errno, Step::identify_peer);
    return error.code == Errc::limit_reached || error.code == Errc::out_of_memory ? error : untold(errno);
  };
  if (!netlink) return refused();
  const int number = static_cast<int>(netlink.native());
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const Question question = question_about(at, to);
  if (::sendto(number, &question, sizeof question, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) <
      0) {
    return refused();
  }
  // The kernel has answered when that returns: nothing is waited for (netlink(7); a question without NLM_F_DUMP).
  std::array<std::byte, kAnswerRoom> room;
  socklen_t size = sizeof kernel;
  const ssize_t count = ::recvfrom(number, room.data(), room.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&kernel), &size);
  if (count < 0) return refused();
  if (kernel.nl_pid != 0) return untold(EPROTO);  // another process, not the kernel (netlink(7), "Address formats")
  return read_owner(std::span{room}.first(static_cast<std::size_t>(count)), at, to);
}

Result<Peer> connected_peer(const TcpAddress& at, const TcpAddress& to) {
  const auto owner = owner_of(at, to);
  if (!owner) return owner.error();
  // A socket that its process has closed altogether is in the same states as one that it has half-closed, but has no file.
  if (*owner && (*owner)->is_half_closed && (*owner)->has_file) return Peer{.process_id = {}, .user_id = (*owner)->user_id};
  if (!*owner || !(*owner)->is_connected) return Error{Errc::peer_died, Step::identify_peer, 0, 0, 0};
  if (!(*owner)->has_file) return Error{Errc::would_block, Step::identify_peer, 0, 0, 0};
  return Peer{.process_id = {}, .user_id = (*owner)->user_id};
}

bool are_owners_told() noexcept { return true; }

}  // namespace sluice::inline v0::os
