// Handle: owns one descriptor, tells what it leads to, and is duplicated, moved and given away without a leak.
#include <sluice/handle.hpp>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

#include "unit/os_support.hpp"

namespace {

using sluice::Errc;
using sluice::Handle;
using sluice::HandleKind;
using sluice::test::code_of;
using sluice::test::is_open;
using sluice::test::open_descriptors;

static_assert(!std::is_copy_constructible_v<Handle> && std::is_nothrow_move_constructible_v<Handle>);

TEST(Handle, SaysWhatItLeadsTo) {
  int pipe[2];
  int sockets[2];
  ASSERT_EQ(::pipe(pipe), 0);
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  EXPECT_EQ(Handle{pipe[0]}.kind(), HandleKind::pipe);
  EXPECT_EQ(Handle{pipe[1]}.kind(), HandleKind::pipe);
  EXPECT_EQ(Handle{sockets[0]}.kind(), HandleKind::socket);
  EXPECT_EQ(Handle{sockets[1]}.kind(), HandleKind::socket);
  EXPECT_EQ(Handle{::open("/proc/self/status", O_RDONLY)}.kind(), HandleKind::file);
  EXPECT_EQ(Handle{::memfd_create("sluice-test", 0)}.kind(), HandleKind::memory);
  EXPECT_EQ(Handle{::open("/", O_RDONLY | O_DIRECTORY)}.kind(), HandleKind::folder);
  EXPECT_EQ(Handle{::open("/dev/null", O_RDWR)}.kind(), HandleKind::device);
  EXPECT_EQ(Handle{::eventfd(0, 0)}.kind(), HandleKind::other);
  EXPECT_EQ(Handle{::epoll_create1(0)}.kind(), HandleKind::other);
}

TEST(Handle, WithoutAnythingOpenHasNoKind) {
  EXPECT_EQ(Handle{}.kind(), HandleKind::none);
  Handle closed{1'000'000};
  EXPECT_EQ(closed.kind(), HandleKind::none);
  (void)closed.release();
}

TEST(Handle, ClosesWhatItOwnsOnce) {
  const auto before = open_descriptors();
  {
    Handle first{::open("/dev/null", O_RDONLY)};
    const int number = static_cast<int>(first.native());
    Handle second = std::move(first);
    EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what a move leaves is what is tested
    EXPECT_TRUE(is_open(number));
    first = std::move(second);
    EXPECT_TRUE(is_open(number));
    first.close();
    EXPECT_FALSE(is_open(number));
    EXPECT_FALSE(first);
    first.close();
    first = Handle{::open("/dev/null", O_RDONLY)};
    first = Handle{::open("/dev/null", O_RDONLY)};
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(Handle, GivenAwayIsNotClosed) {
  const int number = ::open("/dev/null", O_RDONLY);
  {
    Handle handle{number};
    EXPECT_EQ(handle.release(), number);
    EXPECT_FALSE(handle);
  }
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

TEST(Handle, ADuplicateLeadsToTheSameAndIsCloseOnExec) {
  const Handle memory{::memfd_create("sluice-test", 0)};
  auto second = memory.duplicate();
  ASSERT_TRUE(second);
  EXPECT_NE(second->native(), memory.native());
  EXPECT_NE(::fcntl(static_cast<int>(second->native()), F_GETFD) & FD_CLOEXEC, 0);
  ASSERT_EQ(::write(static_cast<int>(second->native()), "abc", 3), 3);
  EXPECT_EQ(::lseek(static_cast<int>(memory.native()), 0, SEEK_CUR), 3);
  EXPECT_EQ(code_of(Handle::duplicate(1'000'000)), Errc::misuse);
  EXPECT_EQ(code_of(Handle{}.duplicate()), Errc::misuse);
}

}  // namespace
