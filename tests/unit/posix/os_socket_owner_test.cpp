// Whose a TCP socket is: what the kernel answers, and what is made of an answer that is none.
#include "os/socket_owner.hpp"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "unit/random.hpp"
#include "unit/tcp_support.hpp"

namespace sluice::inline v0::test {
namespace {

using os::TcpAddress;

// An answer as the kernel gives it (sock_diag(7)), to be spoilt.
struct Answer {
  nlmsghdr header{
      .nlmsg_len = sizeof(Answer), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = 0, .nlmsg_seq = 0, .nlmsg_pid = 0};
  inet_diag_msg message{};

  Answer(const TcpAddress& at, const TcpAddress& to) {
    message.idiag_family = at.is_v6 ? AF_INET6 : AF_INET;
    message.idiag_state = TCP_ESTABLISHED;
    message.id.idiag_sport = htons(at.port);
    message.id.idiag_dport = htons(to.port);
    std::memcpy(message.id.idiag_src, at.bytes.data(), at.bytes.size());
    std::memcpy(message.id.idiag_dst, to.bytes.data(), to.bytes.size());
    message.idiag_uid = 1000;
    message.idiag_inode = 77;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return std::as_bytes(std::span{this, 1}); }
};

const TcpAddress kAt = address("127.0.0.1:40000");
const TcpAddress kTo = address("127.0.0.1:7000");

TEST(SocketOwnerAnswer, TellsTheUserOfAConnectedSocketWithAFile) {
  const auto owner = os::read_owner(Answer{kAt, kTo}.bytes(), kAt, kTo).value();
  ASSERT_TRUE(owner);
  EXPECT_EQ(*owner, (os::SocketOwner{.is_connected = true, .has_file = true, .user_id = 1000}));
  Answer orphan{kAt, kTo};
  orphan.message.idiag_inode = 0;
  orphan.message.idiag_uid = 0;
  EXPECT_FALSE(os::read_owner(orphan.bytes(), kAt, kTo).value()->has_file) << "this is not root's";
  Answer closing{kAt, kTo};
  closing.message.idiag_state = TCP_FIN_WAIT2;
  EXPECT_FALSE(os::read_owner(closing.bytes(), kAt, kTo).value()->is_connected);
  EXPECT_TRUE(os::read_owner(closing.bytes(), kAt, kTo).value()->is_half_closed);
}

TEST(SocketOwnerAnswer, AboutAnotherSocketIsNone) {
  const auto is_none = [](const Answer& answer) {
    const auto owner = os::read_owner(answer.bytes(), kAt, kTo);
    return owner && !*owner;
  };
  EXPECT_TRUE(is_none({kTo, kAt}));
  EXPECT_TRUE(is_none({kAt, {}})) << "who listens there";
  EXPECT_TRUE(is_none({address("127.0.0.2:40000"), kTo}));
  EXPECT_TRUE(is_none({kAt, address("127.0.0.1:7001")}));
  EXPECT_TRUE(is_none({address("[::1]:40000"), address("[::1]:7000")}));
  const TcpAddress six = address("[::1]:40000");
  const auto other = os::read_owner(Answer{address("[::2]:40000"), address("[::1]:7000")}.bytes(), six, address("[::1]:7000"));
  EXPECT_TRUE(other && !*other) << "all 16 bytes count";
}

TEST(SocketOwnerAnswer, MayBeAboutASocketOfIPv6AtAnAddressOfIPv4) {
  Answer answer{address("[::1]:40000"), address("[::1]:7000")};
  for (auto* end : {answer.message.id.idiag_src, answer.message.id.idiag_dst}) {
    end[2] = htonl(0xFFFF);
    end[3] = htonl(INADDR_LOOPBACK);
  }
  EXPECT_TRUE(os::read_owner(answer.bytes(), kAt, kTo).value()) << "::ffff:127.0.0.1";
}

TEST(SocketOwnerAnswer, ThatIsShortOrWrongIsNotBelieved) {
  const Answer whole{kAt, kTo};
  for (std::size_t size = 0; size < sizeof whole; ++size)
    EXPECT_EQ(code_of(os::read_owner(whole.bytes().first(size), kAt, kTo)), Errc::not_supported) << size;
  for (const std::uint32_t length : {0U, 15U, 16U, 87U, static_cast<std::uint32_t>(sizeof whole) + 1, 0xFFFF'FFFFU}) {
    Answer lie{kAt, kTo};
    lie.header.nlmsg_len = length;
    EXPECT_EQ(code_of(os::read_owner(lie.bytes(), kAt, kTo)), Errc::not_supported) << length;
  }
  for (const int type : {0, NLMSG_DONE, NLMSG_NOOP, 21}) {
    Answer other{kAt, kTo};
    other.header.nlmsg_type = static_cast<std::uint16_t>(type);
    EXPECT_EQ(code_of(os::read_owner(other.bytes(), kAt, kTo)), Errc::not_supported) << type;
  }
}

TEST(SocketOwnerAnswer, AnErrorIsNoSocketOrNoAnswer) {
  struct {
    nlmsghdr header{.nlmsg_len = sizeof(nlmsghdr) + sizeof(nlmsgerr),
                    .nlmsg_type = NLMSG_ERROR,
                    .nlmsg_flags = 0,
                    .nlmsg_seq = 0,
                    .nlmsg_pid = 0};
    nlmsgerr error{};
  } answer;
  const auto read = [&](int error) {
    answer.error.error = error;
    return os::read_owner(std::as_bytes(std::span{&answer, 1}), kAt, kTo);
  };
  EXPECT_TRUE(read(-ENOENT) && !*read(-ENOENT));
  for (const int error : {-EPERM, -EINVAL, 0, 5, INT32_MIN, INT32_MAX})
    EXPECT_EQ(code_of(read(error)), Errc::not_supported) << error;
  EXPECT_EQ(read(-EPERM).error().os_code, EPERM);
}

TEST(SocketOwnerAnswer, OfRandomBytesIsHarmless) {
  sluice_test::Random random;
  for (int round = 0; round < 20'000; ++round) {
    Answer answer{kAt, kTo};
    auto bytes = std::as_writable_bytes(std::span{&answer, 1});
    for (auto spoilt = 1 + random.up_to(5); spoilt > 0; --spoilt)
      bytes[random.up_to(bytes.size() - 1)] = static_cast<std::byte>(random.up_to(255));
    const auto owner = os::read_owner(answer.bytes().first(random.up_to(bytes.size())), kAt, kTo);
    EXPECT_TRUE(owner || owner.error().code == Errc::not_supported);
  }
}

TEST(SocketOwner, IsKnownFromAcceptToClose) {
  for (const char* host : {"127.0.0.1:0", "[::1]:0"}) {
    const auto listening = listen_anywhere(host);
    const auto where = os::own_address(listening).value();
    ASSERT_TRUE(os::owner_of(where, os::nobody(where)).value()) << "who listens there";
    auto client = connect_to(where);
    const auto ends = os::ends_of(client).value();
    EXPECT_EQ(os::connected_peer(ends.ours, ends.theirs).value().user_id, ::geteuid());
    EXPECT_EQ(code_of(os::connected_peer(ends.theirs, ends.ours)), Errc::would_block) << "nobody has accepted it";
    auto accepted = accept_on(listening);
    EXPECT_EQ(os::connected_peer(ends.theirs, ends.ours).value().user_id, ::geteuid());
    EXPECT_TRUE(os::is_established(accepted));
    ASSERT_EQ(::shutdown(native(client), SHUT_WR), 0);
    EXPECT_EQ(os::connected_peer(ends.ours, ends.theirs).value().user_id, ::geteuid()) << "half-closed, and still somebody's";
    client.reset();
    EXPECT_EQ(code_of(os::connected_peer(ends.ours, ends.theirs)), Errc::peer_died) << "nobody has it any more";
    char byte = 0;
    EXPECT_EQ(::recv(native(accepted), &byte, 1, 0), 0);  // the end has come
    EXPECT_EQ(code_of(os::connected_peer(ends.theirs, ends.ours)), Errc::peer_died) << "it is being closed";
    EXPECT_FALSE(os::is_established(accepted));
  }
}

TEST(SocketOwner, IsTheUserWhoMadeIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  const auto listening = listen_anywhere();
  const auto where = os::own_address(listening).value();  // a child has no descriptors of the library
  const Signal connected;
  Child child([&] {
    if (!become_user(kStranger)) return 1;
    const auto socket = connect_to(where);
    connected.give();
    ::pause();
    return 0;
  });
  connected.await();
  const auto accepted = accept_on(listening);
  const auto ends = os::ends_of(accepted).value();
  EXPECT_EQ(os::connected_peer(ends.theirs, ends.ours).value().user_id, kStranger);
}

}  // namespace
}  // namespace sluice::inline v0::test
