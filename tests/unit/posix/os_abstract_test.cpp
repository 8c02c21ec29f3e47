// unix:@name: names without a file (unix(7), abstract), who may take one and who may come.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <sluice/sluice.hpp>
#include <string>

#include "links/mechanism.hpp"
#include "unit/os_support.hpp"

namespace sluice::inline v0::test {
namespace {

constexpr int kPatience = 10'000;  // milliseconds, for an event
constexpr std::size_t kLongest = 107;

class OsAbstract : public OsTest {
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

  const links::Mechanism* unix_{links::find_mechanism("unix")};
  const std::string name_{"@sluice" + folder_};  // as unique as the test's folder
};

TEST_F(OsAbstract, BothSidesMeetAndNoFileIsMade) {
  const auto acceptor = listen(name_);
  ASSERT_TRUE(acceptor);
  EXPECT_EQ((*acceptor)->where(), name_);
  EXPECT_EQ(files_in_folder(), 0U);
  EXPECT_EQ(code_of((*acceptor)->accept()), Errc::would_block);
  Child child([&] {
    const auto meeting = connect(name_);
    return meeting && meeting->vouched && meeting->peer.process_id == ::getppid() ? 0 : 1;
  });
  pollfd waiting{static_cast<int>((*acceptor)->waitable().native), POLLIN, 0};
  ASSERT_EQ(::poll(&waiting, 1, kPatience), 1);
  const auto meeting = (*acceptor)->accept();
  ASSERT_TRUE(meeting);
  EXPECT_TRUE(meeting->vouched);
  EXPECT_EQ(meeting->peer.process_id, child.id());
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(OsAbstract, ALiveListenersNameIsTakenAndADeadOnesFreeAtOnce) {
  {
    const auto acceptor = listen(name_);
    ASSERT_TRUE(acceptor);
    const auto second = listen(name_);
    ASSERT_EQ(code_of(second), Errc::address_in_use);
    EXPECT_NE(describe(second.error(), "unix:" + name_).find("a live listener has that name"), std::string::npos);
  }
  EXPECT_EQ(code_of(connect(name_)), Errc::not_found);
  const Signal listening;
  Child child([&] {
    const auto acceptor = listen(name_);
    if (!acceptor) return 1;
    listening.give();
    ::pause();
    return 0;
  });
  listening.await();
  EXPECT_EQ(code_of(listen(name_)), Errc::address_in_use);
  child.kill();
  child.wait();
  EXPECT_EQ(code_of(connect(name_)), Errc::not_found);
  EXPECT_TRUE(listen(name_));
}

TEST_F(OsAbstract, AForkedChildDoesntKeepTheName) {
  const Signal forked;
  const Signal go;
  auto acceptor = listen(name_);
  ASSERT_TRUE(acceptor);
  Child child([&] {
    forked.give();
    go.await();
    return 0;
  });
  forked.await();
  acceptor->reset();
  EXPECT_TRUE(listen(name_));
  go.give();
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(OsAbstract, NamesThatAreNoneAreRefused) {
  for (const std::string& where : {std::string{"@"}, std::string{"@a\0b", 4}, std::string{"@\0", 2}}) {
    EXPECT_EQ(code_of(listen(where)), Errc::invalid_endpoint);
    EXPECT_EQ(code_of(connect(where)), Errc::invalid_endpoint);
  }
  const auto too_long = listen('@' + std::string(kLongest + 1, 'n'));
  ASSERT_EQ(code_of(too_long), Errc::invalid_endpoint);
  EXPECT_EQ(too_long.error().first, static_cast<std::int64_t>(kLongest + 1));
  EXPECT_EQ(too_long.error().second, static_cast<std::int64_t>(kLongest));
  EXPECT_NE(describe(too_long.error()).find("too long"), std::string::npos);
  EXPECT_EQ(code_of(connect('@' + std::string(kLongest + 1, 'n'))), Errc::invalid_endpoint);
  EXPECT_EQ(code_of(sluice::listen("unix:@a%00b")), Errc::invalid_endpoint);
  EXPECT_EQ(code_of(sluice::listen("unix:@")), Errc::invalid_endpoint);
}

TEST_F(OsAbstract, TheLongestNameAndOddOnesWork) {
  std::string longest = name_;
  longest.resize(1 + kLongest, 'n');
  for (const auto& where : {longest, name_ + "/with/slashes", name_ + "@ at", name_ + "\n\x01\xFF"}) {
    const auto acceptor = listen(where);
    ASSERT_TRUE(acceptor);
    EXPECT_TRUE(connect(where));
    EXPECT_EQ(code_of(connect(where.substr(0, where.size() - 1))), Errc::not_found) << "the whole of it is the name";
  }
}

TEST_F(OsAbstract, ASquattersNameIsRefusedByWhoItIs) {
  constexpr unsigned kUser = 54324;
  if (::geteuid() != 0) GTEST_SKIP() << "needs another user";
  const Signal listening;
  Child child([&] {
    if (!become_user(kUser)) return 1;
    // As a stranger would, for whom the runtime folder is not even there.
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name_.data() + 1, name_.size() - 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    if (::bind(socket, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(socket, 8) != 0) return 2;
    listening.give();
    ::pause();
    return 0;
  });
  listening.await();
  EXPECT_EQ(code_of(listen(name_)), Errc::address_in_use);
  const auto meeting = connect(name_);
  ASSERT_TRUE(meeting);
  EXPECT_EQ(code_of(meeting->vouched), Errc::access_denied);
  EXPECT_EQ(meeting->peer.user_id, kUser);
  EXPECT_EQ(code_of(sluice::connect("unix:" + name_, Deadline{std::chrono::milliseconds{kPatience}})), Errc::access_denied);
  const auto anyone = connect(name_, Allow::anyone);
  ASSERT_TRUE(anyone);
  EXPECT_TRUE(anyone->vouched);
}

TEST_F(OsAbstract, AnotherUserWhoComesIsNotVouchedFor) {
  constexpr unsigned kUser = 54325;
  if (::geteuid() != 0) GTEST_SKIP() << "needs another user";
  const auto acceptor = listen(name_);
  ASSERT_TRUE(acceptor);
  const Signal go;
  Child child([&] {
    if (!become_user(kUser)) return 1;
    const auto meeting = connect(name_);
    go.await();
    return meeting && !meeting->vouched ? 0 : 2;
  });
  pollfd waiting{static_cast<int>((*acceptor)->waitable().native), POLLIN, 0};
  ASSERT_EQ(::poll(&waiting, 1, kPatience), 1);
  const auto meeting = (*acceptor)->accept();
  ASSERT_TRUE(meeting);
  EXPECT_EQ(code_of(meeting->vouched), Errc::access_denied);
  go.give();
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace sluice::inline v0::test
