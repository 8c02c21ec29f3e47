// UnixStream: bytes in order, their end, and handles that never leak, whatever the peer sends along.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <numeric>

#include "os/unix_stream.hpp"
#include "unit/os_support.hpp"

namespace sluice::inline v0::test {
namespace {

using Bytes = std::span<const std::byte>;

Bytes bytes(std::string_view text) { return std::as_bytes(std::span{text}); }

class OsUnixStream : public testing::Test {
 protected:
  OsUnixStream() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) ADD_FAILURE() << "socketpair";
    ours_.emplace(links::Descriptor{ends[0]});
    raw_ = ends[1];
  }
  ~OsUnixStream() override { ::close(raw_); }

  // Reads at most 64 bytes.
  Result<std::size_t> read(std::vector<links::Descriptor>* handles = nullptr) {
    const std::span<std::byte> room{room_};
    return ours_->read({&room, 1}, handles);
  }

  // The peer sends a byte and `count` copies of a descriptor.
  void send_handles(std::size_t count) const {
    std::vector<char> control(CMSG_SPACE(count * sizeof(int)));
    char byte = 'x';
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    const std::vector<int> numbers(count, STDERR_FILENO);
    std::memcpy(CMSG_DATA(header), numbers.data(), count * sizeof(int));
    EXPECT_EQ(::sendmsg(raw_, &message, 0), 1);
  }

  std::optional<os::UnixStream> ours_;
  int raw_{-1};
  std::array<std::byte, 64> room_{};
};

TEST_F(OsUnixStream, WritesGatheredAndReadsScattered) {
  const std::array parts{bytes("ab"), Bytes{}, bytes("cde")};
  EXPECT_EQ(ours_->write(parts).value(), 5U);
  std::array<char, 8> text{};
  EXPECT_EQ(::read(raw_, text.data(), text.size()), 5);
  EXPECT_STREQ(text.data(), "abcde");
  ASSERT_EQ(::write(raw_, "12345", 5), 5);
  std::array<std::byte, 2> first{};
  std::array<std::byte, 8> second{};
  const std::array<std::span<std::byte>, 3> rooms{first, {}, second};
  EXPECT_EQ(ours_->read(rooms).value(), 5U);
  EXPECT_EQ(std::memcmp(first.data(), "12", 2), 0);
  EXPECT_EQ(std::memcmp(second.data(), "345", 3), 0);
}

TEST_F(OsUnixStream, TakesMorePartsThanOneCallCarries) {
  constexpr std::size_t kParts = 3000;  // above IOV_MAX too
  const std::vector<Bytes> parts(kParts, bytes("x"));
  const auto count = ours_->write(parts);
  ASSERT_TRUE(count);
  EXPECT_GE(*count, 1U);
  EXPECT_LE(*count, kParts);
}

TEST_F(OsUnixStream, AnswersWouldBlockWhereItWouldHaveToWait) {
  EXPECT_EQ(code_of(read()), Errc::would_block);
  const std::vector<std::byte> block(1 << 16);
  const Bytes part{block};
  Result<std::size_t> count{0U};
  for (int i = 0; i < 1000 && count; ++i) count = ours_->write({&part, 1});
  EXPECT_EQ(code_of(count), Errc::would_block);
}

TEST_F(OsUnixStream, EmptyBuffersMoveNothing) {
  const Bytes none;
  EXPECT_EQ(ours_->write({&none, 1}).value(), 0U);
}

TEST_F(OsUnixStream, APeerThatClosesWithUnreadInputIsAnEndAfterItsLastByte) {
  const Bytes unread = bytes("never read");
  ASSERT_TRUE(ours_->write({&unread, 1}));
  ASSERT_EQ(::write(raw_, "last", 4), 4);
  ::close(raw_);
  raw_ = -1;
  EXPECT_EQ(read().value(), 4U);
  EXPECT_EQ(read().value(), 0U);
  EXPECT_EQ(read().value(), 0U);
  EXPECT_EQ(code_of(ours_->write({&unread, 1})), Errc::peer_died);  // and no SIGPIPE
}

TEST_F(OsUnixStream, AWriteThatMeetsTheResetLeavesWhatArrivedReadable) {
  const Bytes unread = bytes("never read");
  ASSERT_TRUE(ours_->write({&unread, 1}));
  ASSERT_EQ(::write(raw_, "last", 4), 4);
  ::close(raw_);
  raw_ = -1;
  EXPECT_EQ(code_of(ours_->write({&unread, 1})), Errc::peer_died);
  EXPECT_EQ(read().value(), 4U);
  EXPECT_EQ(read().value(), 0U);
}

TEST_F(OsUnixStream, HandlesTravelWithBytesAndTheSenderKeepsItsOwn) {
  const links::Descriptor sent{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  const Bytes part = bytes("x");
  os::UnixStream other{links::Descriptor{raw_}};
  raw_ = -1;
  const std::array<links::Descriptor::Native, 2> handles{sent.native(), sent.native()};
  ASSERT_EQ(other.write({&part, 1}, handles).value(), 1U);
  EXPECT_TRUE(is_open(static_cast<int>(sent.native())));
  std::vector<links::Descriptor> received;
  ASSERT_EQ(read(&received).value(), 1U);
  ASSERT_EQ(received.size(), 2U);
  for (const auto& handle : received) EXPECT_NE(::fcntl(static_cast<int>(handle.native()), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(OsUnixStream, HandlesWithoutAByteOrTooManyAreMisuse) {
  const Bytes none;
  const Bytes part = bytes("x");
  const std::vector<links::Descriptor::Native> many(os::UnixStream::kMaxHandles + 1, STDERR_FILENO);
  EXPECT_EQ(code_of(ours_->write({&none, 1}, std::span{many}.first(1))), Errc::misuse);
  EXPECT_EQ(code_of(ours_->write({&part, 1}, many)), Errc::misuse);
  const links::Descriptor::Native nothing = 1'000'000;
  EXPECT_EQ(code_of(ours_->write({&part, 1}, {&nothing, 1})), Errc::misuse);
}

TEST_F(OsUnixStream, HandlesThatNobodyExpectsAreClosed) {
  const auto before = open_descriptors();
  send_handles(3);
  EXPECT_EQ(read().value(), 1U);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(OsUnixStream, MoreHandlesThanAPeerMaySendAreAllClosed) {
  const auto before = open_descriptors();
  send_handles(os::UnixStream::kHandlesInHandshake + 1);
  std::vector<links::Descriptor> received;
  EXPECT_EQ(code_of(read(&received)), Errc::protocol_error);
  EXPECT_TRUE(received.empty());
  EXPECT_EQ(open_descriptors(), before);
  send_handles(253);  // the most that the kernel takes (unix(7))
  EXPECT_EQ(code_of(read(&received)), Errc::protocol_error);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(OsUnixStream, AsManyHandlesAreTakenAsWereAgreedOn) {
  const auto before = open_descriptors();
  for (const std::size_t most : {std::size_t{1}, std::size_t{2}, std::size_t{17}, os::UnixStream::kMaxHandles}) {
    ours_->accept_handles(most);
    send_handles(most);
    std::vector<links::Descriptor> received;
    EXPECT_EQ(read(&received).value(), 1U);
    EXPECT_EQ(received.size(), most);
    received.clear();
    if (most == os::UnixStream::kMaxHandles) continue;
    send_handles(most + 1);
    EXPECT_EQ(code_of(read(&received)), Errc::protocol_error);
    EXPECT_TRUE(received.empty());
    EXPECT_EQ(open_descriptors(), before);
  }
}

// What unix(7) says of ancillary data as a barrier: StreamRecords stands on it.
TEST_F(OsUnixStream, AReadHasTheHandlesOfOneWriteAndEndsBehindIt) {
  const auto send = [&](std::string_view text) { EXPECT_EQ(::write(raw_, text.data(), text.size()), std::ssize(text)); };
  std::vector<links::Descriptor> received;
  send("before");
  send_handles(2);
  send("behind");
  EXPECT_EQ(read(&received).value(), 7U);  // what came before, and the byte
  EXPECT_EQ(received.size(), 2U);
  EXPECT_EQ(read(&received).value(), 6U);
  EXPECT_EQ(received.size(), 2U);
  send_handles(1);
  send_handles(3);
  EXPECT_EQ(read(&received).value(), 1U);
  EXPECT_EQ(received.size(), 3U);
  EXPECT_EQ(read(&received).value(), 1U);
  EXPECT_EQ(received.size(), 6U);
}

TEST_F(OsUnixStream, HandlesForWhichThereIsNoRoomAreMissingAndNoLeak) {
  const auto before = open_descriptors();
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  send_handles(8);
  const int next = ::dup(STDERR_FILENO);
  ::close(next);
  const rlimit tight{static_cast<rlim_t>(next) + 2, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  std::vector<links::Descriptor> received;
  const auto result = read(&received);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(result.value(), 1U);  // the bytes are there
  ASSERT_EQ(received.size(), 1U);
  EXPECT_FALSE(received[0]);  // for all of them
  EXPECT_EQ(open_descriptors(), before);
}

// More of them on their way than RLIMIT_NOFILE allows to a user (unix(7), ETOOMANYREFS): the write takes no byte.
TEST_F(OsUnixStream, HandlesBeyondWhatMayBeOnTheirWayTakeNoByte) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs a user without other handles on their way";
  Child child([] {
    int ends[2];
    if (!become_user(54322) || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return 1;
    os::UnixStream from{links::Descriptor{ends[0]}};
    os::UnixStream to{links::Descriptor{ends[1]}};
    const rlimit limit{64, 64};
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 2;
    const Bytes part = bytes("x");
    const std::vector<links::Descriptor::Native> handles(16, STDERR_FILENO);
    std::size_t written = 0;
    Result<std::size_t> write = written;
    while (written < 100 && (write = from.write({&part, 1}, handles))) ++written;
    if (code_of(write) != Errc::limit_reached) return 3;
    if (!from.write({&part, 1})) return 4;  // the stream goes on
    std::array<std::byte, 1> room;
    const std::span<std::byte> place{room};
    for (std::size_t read = 0; read < written + 1; ++read)
      if (to.read({&place, 1}, nullptr).value() != 1) return 5;
    if (code_of(to.read({&place, 1}, nullptr)) != Errc::would_block) return 6;
    return from.write({&part, 1}, handles) ? 0 : 7;  // they have been taken: there is room again
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace sluice::inline v0::test
