// Listening at a path and being found there: names of the dead are taken over, names of the living and of others never; who is
// there, and that its death is seen.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>
#include <vector>

#include "links/mechanism.hpp"
#include "os/identity.hpp"
#include "os/process_tether.hpp"
#include "unit/os_support.hpp"

namespace sluice::inline v0::test {
namespace {

constexpr int kPatience = 10'000;  // milliseconds, for an event

class OsSocketMeeting : public OsTest {
 protected:
  void SetUp() override {
    if (unix_ == nullptr) GTEST_SKIP() << "unix is not built in";
  }
  Result<std::unique_ptr<links::Acceptor>> listen(const std::string& where, Allow allow = Allow::same_user) const {
    return unix_->listen(place(where, allow));
  }
  Result<links::Meeting> connect(const std::string& where, Allow allow = Allow::same_user) const {
    auto dialer = unix_->dial(place(where, allow));
    if (!dialer) return dialer.error();
    return (*dialer)->connect();
  }
  // Another process that listens there and then dies of a kill.
  void let_listen_and_kill(const std::string& where) const {
    const Signal listening;
    Child child([&] {
      const auto acceptor = listen(where);
      if (!acceptor) return 1;
      listening.give();
      ::pause();
      return 0;
    });
    listening.await();
    child.kill();
    child.wait();
  }
  static mode_t mode_of(const std::string& file) {
    struct stat status{};
    EXPECT_EQ(::lstat(file.c_str(), &status), 0);
    return status.st_mode & 0777U;
  }

  const links::Mechanism* unix_{links::find_mechanism("unix")};
  const std::string socket_{path("socket")};
};

TEST_F(OsSocketMeeting, BothSidesMeetAndKnowEachOther) {
  const auto acceptor = listen(socket_);
  ASSERT_TRUE(acceptor);
  EXPECT_EQ(code_of((*acceptor)->accept()), Errc::would_block);
  Child child([&] {
    const auto meeting = connect(socket_);
    return meeting && meeting->vouched && meeting->peer.process_id == ::getppid() && !meeting->one_process ? 0 : 1;
  });
  pollfd waiting{static_cast<int>((*acceptor)->waitable().native), POLLIN, 0};
  ASSERT_EQ(::poll(&waiting, 1, kPatience), 1);
  const auto meeting = (*acceptor)->accept();
  ASSERT_TRUE(meeting);
  EXPECT_EQ(meeting->peer.process_id, child.id());
  EXPECT_EQ(meeting->peer.user_id, ::geteuid());
  EXPECT_TRUE(meeting->vouched);
  EXPECT_FALSE(meeting->one_process);
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(OsSocketMeeting, WithinOneProcessThereIsNoProcessToWaitFor) {
  const auto acceptor = listen(socket_);
  ASSERT_TRUE(acceptor);
  const auto dialed = connect(socket_);
  const auto accepted = (*acceptor)->accept();
  ASSERT_TRUE(dialed);
  ASSERT_TRUE(accepted);
  EXPECT_TRUE(dialed->one_process);
  EXPECT_TRUE(accepted->one_process);
  EXPECT_TRUE(accepted->tether->waitables().empty());
  EXPECT_FALSE(accepted->tether->is_severed());
}

TEST_F(OsSocketMeeting, OnlyTheOwnUserGetsThroughByMode) {
  const auto own = listen(socket_);
  ASSERT_TRUE(own);
  EXPECT_EQ(mode_of(socket_), 0600U);
  const mode_t before = ::umask(0077);
  const auto anyone = listen(path("anyone"), Allow::anyone);
  ::umask(before);
  ASSERT_TRUE(anyone);
  EXPECT_EQ(mode_of(path("anyone")), 0666U);
}

TEST_F(OsSocketMeeting, AListenerThatClosesLeavesNothing) {
  {
    const auto acceptor = listen(socket_);
  }
  EXPECT_EQ(files_in_folder(), 0U);
  EXPECT_EQ(code_of(connect(socket_)), Errc::not_found);
}

TEST_F(OsSocketMeeting, ANameThatALivingListenerHasIsInUse) {
  const auto acceptor = listen(socket_);
  ASSERT_TRUE(acceptor);
  EXPECT_EQ(code_of(listen(socket_)), Errc::address_in_use);
  std::filesystem::create_directory(path("folder"));
  EXPECT_EQ(code_of(listen(path("folder/../socket"))), Errc::address_in_use) << "by another path";
  Child child([&] { return code_of(listen(socket_)) == Errc::address_in_use ? 0 : 1; });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(connect(socket_)) << "and the listener is undisturbed";
}

TEST_F(OsSocketMeeting, TheNameOfAKilledListenerIsTakenOverAtOnce) {
  let_listen_and_kill(socket_);
  EXPECT_TRUE(std::filesystem::exists(socket_));
  EXPECT_EQ(code_of(connect(socket_)), Errc::not_found);
  const auto acceptor = listen(socket_);
  ASSERT_TRUE(acceptor) << int(acceptor.error().code) << ' ' << acceptor.error().os_code;
  EXPECT_TRUE(connect(socket_));
}

TEST_F(OsSocketMeeting, TakenOverAlsoWhileItsForkedChildLives) {
  const Signal listening;
  pid_t grandchild = 0;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Child child([&] {
    const auto acceptor = listen(socket_);
    grandchild = ::fork();
    if (grandchild == 0) {
      ::alarm(kChildSeconds);
      listening.give();  // by then its fork handler has run
      ::pause();
      ::_exit(0);
    }
    (void)!::write(ends[1], &grandchild, sizeof grandchild);
    ::pause();
    return 0;
  });
  listening.await();
  ASSERT_EQ(::read(ends[0], &grandchild, sizeof grandchild), static_cast<ssize_t>(sizeof grandchild));
  child.kill();
  child.wait();
  EXPECT_TRUE(listen(socket_));
  ::kill(grandchild, SIGKILL);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(OsSocketMeeting, AStaleSocketOfAStrangerWithoutARecordIsTakenOver) {
  const int stranger = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(stranger, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(stranger, 1), 0);
  EXPECT_EQ(code_of(listen(socket_)), Errc::address_in_use) << "alive";
  EXPECT_TRUE(std::filesystem::exists(socket_));
  ::close(stranger);
  EXPECT_TRUE(listen(socket_)) << "dead";
}

TEST_F(OsSocketMeeting, WhatIsNoSocketIsLeftAlone) {
  {
    std::ofstream(socket_) << "precious";
  }
  EXPECT_EQ(code_of(listen(socket_)), Errc::address_in_use);
  std::string content;
  std::ifstream(socket_) >> content;
  EXPECT_EQ(content, "precious");
  EXPECT_EQ(code_of(connect(socket_)), Errc::not_found);
  std::filesystem::create_symlink("nowhere", path("link"));
  EXPECT_EQ(code_of(listen(path("link"))), Errc::address_in_use);
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
}

TEST_F(OsSocketMeeting, SomebodyElsesSocketIsLeftAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs another user's file";
  let_listen_and_kill(socket_);
  ASSERT_EQ(::lchown(socket_.c_str(), 12345, 12345), 0);
  EXPECT_EQ(code_of(listen(socket_)), Errc::access_denied);
  EXPECT_TRUE(std::filesystem::exists(socket_));
}

TEST_F(OsSocketMeeting, AFileThatIsNoLongerOursSurvivesTheClose) {
  {
    const auto acceptor = listen(socket_);
    ASSERT_TRUE(acceptor);
    std::filesystem::remove(socket_);
    std::ofstream(socket_) << "somebody else's";
  }
  EXPECT_TRUE(std::filesystem::is_regular_file(socket_));
}

TEST_F(OsSocketMeeting, AForkedChildThatDestroysItsCopyLeavesTheListenerItsName) {
  auto acceptor = listen(socket_);
  ASSERT_TRUE(acceptor);
  Child child([&] {
    acceptor->reset();
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(code_of(listen(socket_)), Errc::address_in_use);
  EXPECT_TRUE(connect(socket_));
}

TEST_F(OsSocketMeeting, LongPathsWork) {
  std::string deep = folder_;
  while (deep.size() < 500) deep += "/a-folder-with-a-long-name";
  std::filesystem::create_directories(deep);
  const auto acceptor = listen(deep + "/socket");
  ASSERT_TRUE(acceptor) << acceptor.error().os_code;
  EXPECT_TRUE(connect(deep + "/socket"));
  EXPECT_TRUE((*acceptor)->accept());
  const auto too_long = listen(path(std::string(200, 'n')));
  EXPECT_EQ(code_of(too_long), Errc::invalid_endpoint);
}

TEST_F(OsSocketMeeting, PlacesThatAreNoneAreRefused) {
  for (const std::string& where : {std::string{}, folder_ + '/', folder_ + "/..", std::string{"/tmp/a\0b", 8}}) {
    EXPECT_EQ(code_of(listen(where)), Errc::invalid_endpoint) << where;
    EXPECT_EQ(code_of(connect(where)), Errc::invalid_endpoint) << where;
  }
  EXPECT_EQ(code_of(listen(path("no-such-folder/socket"))), Errc::not_found);
  EXPECT_EQ(code_of(connect(path("no-such-folder/socket"))), Errc::not_found);
}

TEST_F(OsSocketMeeting, AFullBacklogWouldBlock) {
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  std::vector<links::Meeting> waiting;
  Result<links::Meeting> last = connect(socket_);
  for (int i = 0; i < 10 && last; ++i) {
    waiting.push_back(*std::move(last));
    last = connect(socket_);
  }
  EXPECT_EQ(code_of(last), Errc::would_block);
  EXPECT_EQ(code_of(listen(socket_)), Errc::address_in_use) << "busy is not dead";
  ::close(listener);
}

TEST_F(OsSocketMeeting, ClientsThatAreGoneAgainAreNoError) {
  const auto acceptor = listen(socket_);
  ASSERT_TRUE(acceptor);
  Child child([&] { return connect(socket_) ? 0 : 1; });
  EXPECT_EQ(child.wait(), 0);
  const auto meeting = (*acceptor)->accept();
  ASSERT_TRUE(meeting);
  EXPECT_TRUE(meeting->tether->is_severed()) << "reaped before it was accepted";
}

TEST_F(OsSocketMeeting, TheTetherTellsOfAKillAndNotOfAStop) {
  const auto acceptor = listen(socket_);
  ASSERT_TRUE(acceptor);
  const Signal connected;
  Child child([&] {
    const auto meeting = connect(socket_);
    connected.give();
    ::pause();
    return meeting ? 0 : 1;
  });
  connected.await();
  const auto meeting = (*acceptor)->accept();
  ASSERT_TRUE(meeting);
  ASSERT_EQ(meeting->tether->waitables().size(), 1U);
  EXPECT_FALSE(meeting->tether->is_severed());
  child.stop();
  int status = 0;
  ASSERT_EQ(::waitpid(child.id(), &status, WUNTRACED), child.id());
  EXPECT_FALSE(meeting->tether->is_severed()) << "stopped is not dead";
  child.kill();
  pollfd tether{static_cast<int>(meeting->tether->waitables()[0].native), POLLIN, 0};
  EXPECT_EQ(::poll(&tether, 1, kPatience), 1) << "not reaped yet";
  EXPECT_TRUE(meeting->tether->is_severed());
  child.wait();
  EXPECT_TRUE(meeting->tether->is_severed()) << "reaped";
}

TEST(OsIdentity, OnlyTheOwnUserIsVouchedFor) {
  const std::int64_t ours = ::geteuid();
  EXPECT_TRUE(os::vouch_for({.process_id = 1, .user_id = ours}, Allow::same_user));
  const auto refused = os::vouch_for({.process_id = 1, .user_id = ours + 1}, Allow::same_user);
  ASSERT_EQ(code_of(refused), Errc::access_denied);
  EXPECT_EQ(refused.error().step, Step::identify_peer);
  EXPECT_EQ(refused.error().first, ours + 1);
  EXPECT_EQ(refused.error().second, ours);
  EXPECT_EQ(code_of(os::vouch_for({}, Allow::same_user)), Errc::access_denied);
  EXPECT_TRUE(os::vouch_for({.process_id = 1, .user_id = ours + 1}, Allow::anyone));
}

TEST_F(OsSocketMeeting, AnotherUserIsRefusedUnlessAnyoneMayCome) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  std::filesystem::permissions(folder_, std::filesystem::perms::others_exec, std::filesystem::perm_options::add);
  const auto own = listen(socket_);
  const auto anyone = listen(path("anyone"), Allow::anyone);
  ASSERT_TRUE(own);
  ASSERT_TRUE(anyone);
  Child child([&] {
    if (!become_user(12345)) return 1;
    if (code_of(connect(socket_)) != Errc::access_denied) return 2;  // by its mode
    const auto meeting = connect(path("anyone"));
    // The other side is root's: for the one who connects that is a stranger, unless it says that anyone may be there.
    if (!meeting || code_of(meeting->vouched) != Errc::access_denied) return 3;
    const auto willing = connect(path("anyone"), Allow::anyone);
    return willing && willing->vouched ? 0 : 4;
  });
  EXPECT_EQ(child.wait(), 0);
  const auto first = (*anyone)->accept();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->peer.user_id, 12345);
  EXPECT_TRUE(first->vouched);
  // The owner may widen the mode: then the kernel's word on who comes still counts.
  ASSERT_EQ(::chmod(socket_.c_str(), 0666), 0);
  Child other([&] { return become_user(12345) && connect(socket_) ? 0 : 1; });
  EXPECT_EQ(other.wait(), 0);
  const auto stranger = (*own)->accept();
  ASSERT_TRUE(stranger);
  EXPECT_EQ(code_of(stranger->vouched), Errc::access_denied);
}

}  // namespace
}  // namespace sluice::inline v0::test
