// Handles and the session, where two test processes are not needed: what the user's limit does to a send, and whose handles a
// forked child has.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <optional>
#include <sluice/sluice.hpp>
#include <thread>
#include <vector>

#include "links/mechanism.hpp"
#include "unit/connected_ends.hpp"
#include "unit/os_support.hpp"

namespace sluice::inline v0::test {
namespace {

using namespace std::chrono_literals;

using sluice_test::Ends;
using sluice_test::kPatience;

class SessionHandles : public OsTest {
 protected:
  void SetUp() override {
    if (links::find_mechanism("unix") == nullptr) GTEST_SKIP() << "unix is not built in";
  }

  Ends connect_ends() const { return sluice_test::connect_ends_at("unix:" + path("meet")); }
};

Result<void> send_with(Channel& channel, std::string_view text, std::span<const Handle> handles) {
  const auto bytes = as_bytes(text);
  return channel.send({.parts = {&bytes, 1}, .handles = handles}, kPatience);
}

// In a child of another user, whose limit is low. What it returns says how far it came.
int use_up_the_limit(Ends ends) {
  const rlimit limit{64, 64};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 2;
  std::vector<Handle> handles;
  for (int i = 0; i < 16; ++i) handles.emplace_back(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  std::uint64_t sent = 0;
  Result<void> result;
  while (sent < 100 && (result = send_with(ends.first, "with handles", handles))) ++sent;
  if (code_of(result) != Errc::limit_reached || sent == 0) return 3;
  if (ends.first.statistics().messages_sent != sent || ends.first.ended()) return 4;
  if (!send_with(ends.first, "without", {})) return 5;  // the channel goes on
  for (std::uint64_t received = 0; received < sent; ++received) {
    const auto message = ends.second.receive(kPatience);
    if (!message || message->handles().size() != 16) return 6;
  }
  const auto last = ends.second.receive(kPatience);
  if (!last || as_text(last->bytes()) != "without" || !last->handles().empty()) return 7;
  return send_with(ends.first, "with handles", handles) ? 0 : 8;  // they were received: there is room again
}

TEST_F(SessionHandles, BeyondWhatMayBeOnTheirWayAreALimitAndNothingIsSent) {
  constexpr unsigned kUser = 54323;
  if (::geteuid() != 0) GTEST_SKIP() << "needs a user without other handles on their way";
  ASSERT_EQ(::chown(folder_.c_str(), kUser, kUser), 0);
  Child child([&] { return become_user(kUser) ? use_up_the_limit(connect_ends()) : 1; });
  EXPECT_EQ(child.wait(), 0);
}

// It reads ahead as many as it may; what lies behind them must not make its waitable readable for ever.
TEST_F(SessionHandles, ALoopThatWantsOnlyRoomIsNotKeptAwakeByThoseNobodyReceives) {
  auto ends = connect_ends();
  std::vector<Handle> handles;
  for (int i = 0; i < 16; ++i) handles.emplace_back(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(send_with(ends.first, "not wanted", handles));
  const std::vector<std::byte> block(4096);
  while (ends.second.send(block, Deadline::now())) {
  }
  bool is_quiet = false;
  for (int round = 0; round < 100 && !is_quiet; ++round) {
    const auto ready = ends.second.arm(Want::room);
    ASSERT_TRUE(ready);
    ASSERT_EQ(*ready, Readiness::armed);
    pollfd look{static_cast<int>(ends.second.waitable().value().native), POLLIN, 0};
    is_quiet = ::poll(&look, 1, 0) == 0;
  }
  EXPECT_TRUE(is_quiet);
}

TEST_F(SessionHandles, ThatWereReceivedAreAForkedChildsTooAndOthersAreNot) {
  auto ends = connect_ends();
  int received[2];
  int waiting[2];
  ASSERT_EQ(::pipe2(received, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(waiting, O_CLOEXEC), 0);
  const Handle reads{waiting[0]};
  const Handle keeps{received[0]};
  ASSERT_TRUE(send_with(ends.first, "received", {&keeps, 1}));
  {
    const Handle writes{waiting[1]};
    ASSERT_TRUE(send_with(ends.first, "read ahead", {&writes, 1}));
  }
  ::close(received[1]);
  auto message = ends.second.receive(kPatience);
  ASSERT_TRUE(message);
  ASSERT_EQ(message->handles().size(), 1U);
  ends.second.advance();  // the other one is here, and nobody has received it
  const int number = static_cast<int>(message->handles()[0].native());
  const Signal go;
  Child child([&] {
    go.await();
    return ::fcntl(number, F_GETFD) >= 0 ? 0 : 1;
  });
  std::optional<Channel> dropped{std::move(ends.second)};
  dropped.reset();
  // The child lives, and has none of the other one's copies: the pipe has ended.
  pollfd look{waiting[0], 0, 0};
  EXPECT_EQ(::poll(&look, 1, 10'000), 1);
  EXPECT_NE(look.revents & POLLHUP, 0);
  go.give();
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace sluice::inline v0::test
