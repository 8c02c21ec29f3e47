// tcp below the handshake: nobody gets through who is another user, has gone, or comes from where nobody vouches.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cstddef>

#include "links/mechanism.hpp"
#include "unit/tcp_support.hpp"

namespace sluice::inline v0::test {
namespace {

class OsTcpMeeting : public OsTest {
 protected:
  void SetUp() override {
    if (tcp_ == nullptr) GTEST_SKIP() << "tcp is not built in";
  }
  static Result<links::Meeting> connect(const links::Mechanism& tcp, const links::Place& place) {
    const auto dialer = tcp.dial(place);
    if (!dialer) return dialer.error();
    while (true) {
      auto meeting = (*dialer)->connect();
      if (meeting || meeting.error().code != Errc::would_block) return meeting;
      pollfd waiting{static_cast<int>((*dialer)->waitable().native), POLLOUT, 0};
      if (::poll(&waiting, 1, kPatience) != 1) return meeting;
    }
  }
  Result<links::Meeting> connect(const std::string& where, Allow allow = Allow::same_user) const {
    return connect(*tcp_, place(where, allow));
  }
  static Result<links::Meeting> accept(links::Acceptor& acceptor) {
    pollfd waiting{static_cast<int>(acceptor.waitable().native), POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, kPatience), 1);
    return acceptor.accept();
  }
  static int socket_of(const links::Meeting& meeting) {
    return static_cast<int>(std::get<std::unique_ptr<links::StreamLink>>(meeting.link)->incoming().native);
  }
  static int option_of(const links::Meeting& meeting, int level, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(socket_of(meeting), level, option, &value, &size), 0);
    return value;
  }

  const links::Mechanism* tcp_{links::find_mechanism("tcp")};
};

TEST_F(OsTcpMeeting, BothSidesLearnWhoTheOtherIsOnceItIsAccepted) {
  for (const char* host : {"127.0.0.1:0", "[::1]:0", "localhost:0"}) {
    const auto acceptor = tcp_->listen(place(host));
    ASSERT_TRUE(acceptor) << host;
    const std::string where = (*acceptor)->where();
    EXPECT_FALSE(where.ends_with(":0")) << where;
    EXPECT_EQ(code_of((*acceptor)->accept()), Errc::would_block);
    const auto dialed = connect(where);
    ASSERT_TRUE(dialed) << where;
    EXPECT_TRUE(dialed->vouched);
    EXPECT_FALSE(dialed->peer.user_id) << "nobody has accepted yet";
    ASSERT_TRUE(dialed->vouch_again);
    EXPECT_EQ(code_of(dialed->vouch_again()), Errc::would_block) << "whoever speaks must have accepted";
    const auto accepted = accept(**acceptor);
    ASSERT_TRUE(accepted);
    EXPECT_TRUE(accepted->vouched);
    EXPECT_EQ(accepted->peer.user_id, ::geteuid());
    EXPECT_FALSE(accepted->peer.process_id);
    for (const auto* side : {&*dialed, &*accepted}) {
      const auto again = side->vouch_again();
      ASSERT_TRUE(again);
      EXPECT_EQ(again->user_id, ::geteuid());
      EXPECT_EQ(option_of(*side, IPPROTO_TCP, TCP_NODELAY), 1);
      EXPECT_EQ(option_of(*side, SOL_SOCKET, SO_KEEPALIVE), 0);
      EXPECT_FALSE(side->tether->is_severed());
    }
  }
}

// Nobody has to read what lies in front of the end.
TEST_F(OsTcpMeeting, TheConnectionsEndIsToldBehindUnreadBytes) {
  const auto acceptor = tcp_->listen(place("127.0.0.1:0"));
  ASSERT_TRUE(acceptor);
  auto dialed = connect((*acceptor)->where());
  const auto accepted = accept(**acceptor);
  ASSERT_TRUE(dialed && accepted);
  auto& link = std::get<std::unique_ptr<links::StreamLink>>(dialed->link);
  const auto bytes = as_bytes("unread");
  ASSERT_TRUE(link->write({&bytes, 1}));
  EXPECT_FALSE(accepted->tether->is_severed());
  link.reset();
  ASSERT_EQ(accepted->tether->waitables().size(), 1U);
  pollfd waiting{static_cast<int>(accepted->tether->waitables()[0].native), POLLIN, 0};
  EXPECT_EQ(::poll(&waiting, 1, kPatience), 1);
  EXPECT_TRUE(accepted->tether->is_severed());
}

TEST_F(OsTcpMeeting, WhoHasGoneIsNotVouchedForAnyMore) {
  const auto acceptor = tcp_->listen(place("127.0.0.1:0"));
  ASSERT_TRUE(acceptor);
  {
    const auto gone = connect((*acceptor)->where());
    ASSERT_TRUE(gone);
  }
  const auto late = accept(**acceptor);
  ASSERT_TRUE(late);
  EXPECT_EQ(code_of(late->vouched), Errc::peer_died);

  auto dialed = connect((*acceptor)->where());
  ASSERT_TRUE(dialed);
  const auto accepted = accept(**acceptor);
  ASSERT_TRUE(accepted);
  EXPECT_TRUE(accepted->vouched);
  dialed = Errc::closed;  // lets go of the connection
  EXPECT_EQ(code_of(accepted->vouch_again()), Errc::peer_died);
}

TEST_F(OsTcpMeeting, AnotherUserIsRefusedUnlessAnyoneMayCome) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  const auto own = tcp_->listen(place("127.0.0.1:0"));
  const auto anyone = tcp_->listen(place("127.0.0.1:0", Allow::anyone));
  ASSERT_TRUE(own);
  ASSERT_TRUE(anyone);
  const Signal connected;
  const Signal accepted;
  Child child([&] {
    if (!become_user(kStranger)) return 1;
    const auto first = connect((*own)->where());
    const auto second = connect((*anyone)->where());
    const auto willing = connect((*anyone)->where(), Allow::anyone);
    if (!first || !second || !willing) return 2;
    connected.give();
    accepted.await();
    // The other side is root's.
    if (code_of(first->vouch_again()) != Errc::access_denied || code_of(second->vouch_again()) != Errc::access_denied) return 3;
    const auto told = willing->vouch_again();
    return told && told->user_id == 0 ? 0 : 4;
  });
  connected.await();
  const auto stranger = accept(**own);
  const auto guest = accept(**anyone);
  const auto other = accept(**anyone);
  const auto again = stranger ? stranger->vouch_again() : Result<Peer>{Peer{}};
  accepted.give();  // and then it goes
  ASSERT_TRUE(stranger);
  ASSERT_TRUE(guest);
  ASSERT_TRUE(other);
  ASSERT_EQ(code_of(stranger->vouched), Errc::access_denied);
  EXPECT_EQ(stranger->vouched.error().first, kStranger);
  EXPECT_EQ(stranger->vouched.error().second, 0);
  EXPECT_EQ(code_of(again), Errc::access_denied);
  EXPECT_TRUE(guest->vouched);
  EXPECT_EQ(guest->peer.user_id, kStranger);
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(OsTcpMeeting, BeyondTheLoopbackAnyoneHasToBeWrittenOut) {
  for (const char* host : {"0.0.0.0:0", "[::]:0", "192.0.2.1:7000", "[2001:db8::1]:7000"}) {
    const auto listening = tcp_->listen(place(host));
    ASSERT_EQ(code_of(listening), Errc::access_denied) << host;
    EXPECT_EQ(listening.error().step, Step::identify_peer);
  }
  for (const char* host : {"0.0.0.0:7000", "192.0.2.1:7000", "[2001:db8::1]:7000"})
    EXPECT_EQ(code_of(tcp_->dial(place(host))), Errc::access_denied) << host;
  const auto everywhere = tcp_->listen(place("0.0.0.0:0", Allow::anyone));
  ASSERT_TRUE(everywhere);
  // From the loopback the system tells who comes, all the same.
  const std::string port = (*everywhere)->where().substr((*everywhere)->where().rfind(':'));
  const auto dialed = connect("127.0.0.1" + port);
  ASSERT_TRUE(dialed);
  const auto accepted = accept(**everywhere);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->peer.user_id, ::geteuid());
}

// Puts this process (a child) into a sandbox without netlink (seccomp(2)); false where that can't be done.
bool forbid_netlink() {
  std::array<sock_filter, 6> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),  // the first one's lower half
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{.len = program.size(), .filter = program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST_F(OsTcpMeeting, ASandboxThatHidesTheOwnersIsToldAndNotPassedOver) {
  constexpr int kNoSandbox = 77;
  const auto acceptor = tcp_->listen(place("127.0.0.1:0"));
  ASSERT_TRUE(acceptor);
  Child child([&] {
    if (!forbid_netlink()) return kNoSandbox;
    const auto listening = tcp_->listen(place("127.0.0.1:0"));
    if (code_of(listening) != Errc::not_supported || listening.error().step != Step::identify_peer) return 1;
    const auto dialed = connect((*acceptor)->where());
    if (!dialed || code_of(dialed->vouched) != Errc::not_supported) return 2;
    // Whoever says that anyone may be there needs no answer.
    if (!tcp_->listen(place("127.0.0.1:0", Allow::anyone))) return 3;
    const auto willing = connect((*acceptor)->where(), Allow::anyone);
    return willing && willing->vouched && !willing->peer.user_id ? 0 : 4;
  });
  const int status = child.wait();
  if (status == kNoSandbox) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(status, 0);
}

TEST_F(OsTcpMeeting, KeepaliveIsOffUnlessAskedFor) {
  auto asked = place("127.0.0.1:0");
  asked.options = {{"keepalive", "10"}};
  const auto acceptor = tcp_->listen(asked);
  ASSERT_TRUE(acceptor);
  auto there = asked;
  there.where = (*acceptor)->where();
  const auto dialed = connect(*tcp_, there);
  ASSERT_TRUE(dialed);
  const auto accepted = accept(**acceptor);
  ASSERT_TRUE(accepted);
  for (const auto* side : {&*dialed, &*accepted}) {
    EXPECT_EQ(option_of(*side, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option_of(*side, IPPROTO_TCP, TCP_KEEPIDLE), 10);
    EXPECT_EQ(option_of(*side, IPPROTO_TCP, TCP_KEEPINTVL) * option_of(*side, IPPROTO_TCP, TCP_KEEPCNT), 12);
  }
  for (const char* value : {"", "0", "-1", "1s", "32768", "99999999999999999999", " 1", "+1", "yes"}) {
    asked.options = {{"keepalive", value}};
    const auto listening = tcp_->listen(asked);
    ASSERT_EQ(code_of(listening), Errc::invalid_endpoint) << value;
    EXPECT_EQ(listening.error().step, Step::check_options);
    EXPECT_EQ(code_of(tcp_->dial(asked)), Errc::invalid_endpoint) << value;
  }
}

TEST_F(OsTcpMeeting, PlacesThatAreNoneAreRefused) {
  for (const char* where : {"", "127.0.0.1", ":7000", "127.0.0.1:port", "[localhost]:7000", "::1:7000"}) {
    EXPECT_EQ(code_of(tcp_->listen(place(where))), Errc::invalid_endpoint) << where;
    EXPECT_EQ(code_of(tcp_->dial(place(where))), Errc::invalid_endpoint) << where;
  }
  EXPECT_EQ(code_of(tcp_->dial(place("127.0.0.1:0"))), Errc::invalid_endpoint) << "a port to connect to has to be known";
}

TEST_F(OsTcpMeeting, AListenerThatIsGoneIsNotFoundAndItsPortFree) {
  std::string where;
  {
    const auto acceptor = tcp_->listen(place("127.0.0.1:0"));
    ASSERT_TRUE(acceptor);
    where = (*acceptor)->where();
    EXPECT_EQ(code_of(tcp_->listen(place(where))), Errc::address_in_use);
  }
  EXPECT_EQ(code_of(connect(where)), Errc::not_found);
  EXPECT_TRUE(tcp_->listen(place(where)));
}

}  // namespace
}  // namespace sluice::inline v0::test
