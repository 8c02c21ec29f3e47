// The one place that waits: what is ready, who has hung up, the deadline, the interrupt.
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "links/waiter.hpp"
#include "unit/os_support.hpp"

namespace sluice::inline v0::test {
namespace {

using namespace std::chrono_literals;
using Clock = Deadline::Clock;

constexpr auto kPatience = 10s;
constexpr std::uint64_t kKey = 7;

struct Sockets {
  Sockets() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) ADD_FAILURE() << "socketpair";
    one = links::Descriptor{ends[0]};
    other = links::Descriptor{ends[1]};
  }
  links::Descriptor one;
  links::Descriptor other;
};

class OsWaiter : public testing::Test {
 protected:
  // What one wait reports, or nothing.
  std::optional<links::Ready> wait(Deadline deadline) {
    std::array<links::Ready, 4> ready;
    const auto count = waiter_.wait(ready, deadline);
    EXPECT_TRUE(count);
    if (!count || *count == 0) return std::nullopt;
    EXPECT_EQ(*count, 1U);
    return ready[0];
  }

  links::Waiter waiter_{links::Waiter::create().value()};
  Sockets sockets_;
};

TEST_F(OsWaiter, ReportsWhatIsReadyAndOnlyThat) {
  ASSERT_TRUE(waiter_.add({sockets_.one.native()}, {.readable = true}, kKey));
  EXPECT_FALSE(wait(Deadline::now()));
  ASSERT_EQ(::write(static_cast<int>(sockets_.other.native()), "x", 1), 1);
  const auto ready = wait(Deadline{kPatience});
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->key, kKey);
  EXPECT_TRUE(ready->readable);
  EXPECT_FALSE(ready->writable);
  EXPECT_TRUE(wait(Deadline::now())) << "level-triggered: it stays ready until it is read";
}

TEST_F(OsWaiter, AChangedInterestCounts) {
  ASSERT_TRUE(waiter_.add({sockets_.one.native()}, {.readable = true}, kKey));
  ASSERT_TRUE(waiter_.modify({sockets_.one.native()}, {.writable = true}, kKey + 1));
  const auto ready = wait(Deadline{kPatience});
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->key, kKey + 1);
  EXPECT_TRUE(ready->writable);
  waiter_.remove({sockets_.one.native()});
  EXPECT_FALSE(wait(Deadline::now()));
}

TEST_F(OsWaiter, AHangUpWakesBothDirectionsEvenWithoutInterest) {
  ASSERT_TRUE(waiter_.add({sockets_.one.native()}, {}, kKey));
  EXPECT_FALSE(wait(Deadline::now()));
  sockets_.other.reset();
  const auto ready = wait(Deadline{kPatience});
  ASSERT_TRUE(ready);
  EXPECT_TRUE(ready->readable);
  EXPECT_TRUE(ready->writable);
}

TEST_F(OsWaiter, QueuesEventsAndSocketsCanBeWaitedForTogether) {
  const std::string name = "/sluice-test-" + std::to_string(::getpid());
  mq_attr attributes{};
  attributes.mq_maxmsg = 1;
  attributes.mq_msgsize = 8;
  const links::Descriptor queue{::mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attributes)};
  ::mq_unlink(name.c_str());
  ASSERT_TRUE(queue);
  const links::Descriptor event{::eventfd(0, EFD_CLOEXEC)};
  ASSERT_TRUE(waiter_.add({queue.native()}, {.readable = true}, 1));
  ASSERT_TRUE(waiter_.add({event.native()}, {.readable = true}, 2));
  ASSERT_TRUE(waiter_.add({sockets_.one.native()}, {.readable = true}, 3));
  ASSERT_EQ(::mq_send(static_cast<mqd_t>(queue.native()), "x", 1, 0), 0);
  const auto ready = wait(Deadline{kPatience});
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->key, 1U);
  ASSERT_TRUE(waiter_.modify({queue.native()}, {.writable = true}, 1));
  EXPECT_FALSE(wait(Deadline::now())) << "a full queue is not writable";
}

TEST_F(OsWaiter, ADeadlineIsNeverMetEarly) {
  for (const auto span : {100us, 900us, 1500us, 20000us}) {
    const auto start = Clock::now();
    EXPECT_FALSE(wait(Deadline{start + span}));
    EXPECT_GE(Clock::now(), start + span);
  }
  EXPECT_FALSE(wait(Deadline{Clock::now() - 1s})) << "one that has passed only looks";
}

TEST_F(OsWaiter, AWakeUpIsReportedOnceAlsoIfItCameBefore) {
  waiter_.wake();
  waiter_.wake();
  const auto ready = wait(Deadline::never());
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->key, links::Waiter::kWoken);
  EXPECT_FALSE(wait(Deadline::now()));
}

TEST_F(OsWaiter, AWakeUpFromAnotherThreadEndsTheWait) {
  std::thread waker([this] { waiter_.wake(); });
  const auto ready = wait(Deadline::never());
  waker.join();
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->key, links::Waiter::kWoken);
}

TEST_F(OsWaiter, SignalsNeitherEndNorProlongTheWait) {
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, &before);  // without SA_RESTART, which epoll_wait doesn't heed anyway (signal(7))
  std::atomic<bool> done{false};
  const pthread_t waiting = ::pthread_self();
  std::thread disturber([&] {
    while (!done.load()) {
      ::pthread_kill(waiting, SIGUSR1);
      std::this_thread::sleep_for(1ms);
    }
  });
  const auto start = Clock::now();
  EXPECT_FALSE(wait(Deadline{start + 50ms}));
  const auto took = Clock::now() - start;
  done = true;
  disturber.join();
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_GE(took, 50ms);
  EXPECT_LT(took, kPatience);
}

// arm64 has the newer of the two calls alone, and epoll_wait(2) is made of it.
#ifdef SYS_epoll_wait
constexpr long kEpollWait = SYS_epoll_wait;
#else
constexpr long kEpollWait = SYS_epoll_pwait;
#endif

// "wait" and its time-out as the kernel sees them: /proc/PID/syscall has the call's number and six arguments (proc(5)).
bool sleeps_without_time_out(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/syscall");
  std::string number;
  std::array<std::string, 6> arguments;
  if (!(file >> number)) return false;
  for (auto& argument : arguments) file >> argument;
  // epoll_wait(set, events, room, time-out)
  return number == std::to_string(kEpollWait) && (arguments[3] == "0xffffffff" || arguments[3] == "0xffffffffffffffff");
}

TEST_F(OsWaiter, WithoutADeadlineItSleepsWithoutATimeOut) {
  Child child([] {
    auto waiter = links::Waiter::create();
    std::array<links::Ready, 1> ready;
    return waiter && waiter->wait(ready, Deadline::never()) ? 0 : 1;
  });
  const auto end = Clock::now() + kPatience;
  while (!sleeps_without_time_out(child.id()) && Clock::now() < end) std::this_thread::yield();
  EXPECT_TRUE(sleeps_without_time_out(child.id()));
}

}  // namespace
}  // namespace sluice::inline v0::test
