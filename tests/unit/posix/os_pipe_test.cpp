// Pipes as a stream: their ends, their capacity, and writes that leave no SIGPIPE behind.
#include "os/pipe_stream.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <optional>
#include <string>
#include <utility>

#include "os/connection_tether.hpp"
#include "unit/os_support.hpp"

namespace sluice::inline v0::test {
namespace {

constexpr std::size_t kPage = 4096;

int number(const links::Descriptor& descriptor) { return static_cast<int>(descriptor.native()); }

// SIGPIPE is blocked meanwhile, and nothing of it is left afterwards.
class BlockedSigpipe {
 public:
  BlockedSigpipe() {
    sigemptyset(&only_);
    sigaddset(&only_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &only_, &before_);
  }
  BlockedSigpipe(const BlockedSigpipe&) = delete;
  BlockedSigpipe& operator=(const BlockedSigpipe&) = delete;
  ~BlockedSigpipe() {
    (void)take();
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  bool take() const {
    const timespec at_once{};
    return sigtimedwait(&only_, nullptr, &at_once) == SIGPIPE;
  }

 private:
  sigset_t only_{};
  sigset_t before_{};
};

using Writing = std::ptrdiff_t (*)(int, const iovec*, int) noexcept;
constexpr std::array<Writing, 2> kBothWays{os::write_without_signal, os::write_and_take_signal_back};

iovec part_of(std::string& text) { return {text.data(), text.size()}; }

TEST(Pipe, AWriteThatNobodyReadsRaisesNoSignal) {
  // SIGPIPE at its default would end this process.
  ASSERT_EQ(signal(SIGPIPE, SIG_DFL), SIG_DFL);
  for (const Writing write : kBothWays) {
    auto pipe = os::make_pipe(0).value();
    pipe.reading.reset();
    std::string text = "x";
    const iovec part = part_of(text);
    EXPECT_EQ(write(number(pipe.writing), &part, 1), -1);
    EXPECT_EQ(errno, EPIPE);
    sigset_t pending;
    sigpending(&pending);
    EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    EXPECT_EQ(sigismember(&mask, SIGPIPE), 0) << "the mask is as it was";
  }
}

TEST(Pipe, ASignalThatWasPendingStays) {
  for (const Writing write : kBothWays) {
    auto pipe = os::make_pipe(0).value();
    pipe.reading.reset();
    std::string text = "x";
    const iovec part = part_of(text);
    const BlockedSigpipe blocked;
    raise(SIGPIPE);
    EXPECT_EQ(write(number(pipe.writing), &part, 1), -1);
    EXPECT_EQ(errno, EPIPE);
    EXPECT_TRUE(blocked.take()) << "the program's own";
    EXPECT_FALSE(blocked.take()) << "and no other";
    EXPECT_EQ(write(number(pipe.writing), &part, 1), -1);
    EXPECT_FALSE(blocked.take()) << "none where none was pending, though it is blocked";
  }
}

TEST(Pipe, AWriteThatSucceedsTakesNoSignal) {
  auto pipe = os::make_pipe(0).value();
  std::string text = "hello";
  const iovec part = part_of(text);
  const BlockedSigpipe blocked;
  raise(SIGPIPE);
  for (const Writing write : kBothWays) EXPECT_EQ(write(number(pipe.writing), &part, 1), 5);
  EXPECT_TRUE(blocked.take());
}

TEST(Pipe, TakesTheCapacityThatIsAskedFor) {
  for (const std::size_t capacity : {kPage, std::size_t{100} << 10, std::size_t{1} << 20}) {
    const auto pipe = os::make_pipe(capacity).value();
    EXPECT_GE(fcntl(number(pipe.reading), F_GETPIPE_SZ), static_cast<int>(capacity));
    EXPECT_NE(fcntl(number(pipe.reading), F_GETFD) & FD_CLOEXEC, 0);
  }
  const auto refused = os::make_pipe(std::size_t{1} << 40);
  ASSERT_EQ(code_of(refused), Errc::limit_reached);
  EXPECT_EQ(refused.error().first, std::int64_t{1} << 40);
  EXPECT_GT(refused.error().second, 0);
}

TEST(Pipe, KnowsItsEnds) {
  const auto pipe = os::make_pipe(0).value();
  EXPECT_TRUE(os::is_reading_end(pipe.reading));
  EXPECT_FALSE(os::is_writing_end(pipe.reading));
  EXPECT_TRUE(os::is_writing_end(pipe.writing));
  EXPECT_FALSE(os::is_reading_end(pipe.writing));
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
  const links::Descriptor one{sockets[0]};
  const links::Descriptor other{sockets[1]};
  EXPECT_FALSE(os::is_reading_end(one));
  EXPECT_FALSE(os::is_writing_end(one));
  EXPECT_FALSE(os::is_reading_end(links::Descriptor{}));
}

// The number stays taken: another thread may be about to wait there.
TEST(Pipe, AfterTheLastWriteNobodyIsWokenForRoom) {
  auto there = os::make_pipe(0).value();
  auto back = os::make_pipe(0).value();
  const int at = number(there.writing);
  std::optional<os::PipeStream> stream{std::in_place, std::move(back.reading), std::move(there.writing)};
  const auto ready = [at] {
    pollfd room{.fd = at, .events = POLLOUT, .revents = 0};
    return poll(&room, 1, 0) == 0 ? 0 : int{room.revents};
  };
  EXPECT_EQ(ready(), POLLOUT);
  // Also for UBSan, which needs descriptors to check an object's type, once for each type.
  EXPECT_EQ(stream->outgoing().native, at);

  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{0, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  const auto refused = stream->finish_writing();
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(code_of(refused), Errc::limit_reached);
  EXPECT_EQ(ready(), POLLOUT) << "it goes on";

  ASSERT_TRUE(stream->finish_writing());
  char byte = 0;
  EXPECT_EQ(read(number(there.reading), &byte, 1), 0) << "the end, without waiting";
  EXPECT_EQ(stream->outgoing().native, at);
  EXPECT_EQ(ready(), 0) << "open, and neither writable nor hung up";
  EXPECT_EQ(fcntl(at, F_GETFD), FD_CLOEXEC);
  there.reading.reset();
  back.writing.reset();
  EXPECT_EQ(ready(), 0) << "whatever becomes of the other end";
  stream.reset();
  EXPECT_EQ(fcntl(at, F_GETFD), -1);
}

// Bytes that nobody has read lie in front of the end: the tether tells of it all the same.
TEST(Pipe, TheTetherTellsOfTheEndOfEither) {
  auto there = os::make_pipe(0).value();
  auto back = os::make_pipe(0).value();
  const auto tether = os::tether_to_connection(back.reading, there.writing).value();
  std::string text = "unread";
  const iovec part = part_of(text);
  ASSERT_EQ(os::write_without_signal(number(back.writing), &part, 1), 6);
  EXPECT_FALSE(tether->is_severed());
  back.writing.reset();
  EXPECT_TRUE(tether->is_severed());

  auto third = os::make_pipe(0).value();
  auto fourth = os::make_pipe(0).value();
  const auto second_tether = os::tether_to_connection(fourth.reading, third.writing).value();
  EXPECT_FALSE(second_tether->is_severed());
  third.reading.reset();
  EXPECT_TRUE(second_tether->is_severed());
}

}  // namespace
}  // namespace sluice::inline v0::test
