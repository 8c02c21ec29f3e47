// One channel inside somebody else's event loop (here: epoll), beside a timer that is the loop's own.
//   epoll serve ENDPOINT      counts the messages of one peer, and ticks
//   epoll send ENDPOINT       a peer that sends three
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <iostream>
#include <sluice/sluice.hpp>
#include <string>

namespace {

using namespace std::chrono_literals;
using sluice::Readiness;
using sluice::Want;

void watch(int loop, int descriptor) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = descriptor;
  epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event);
}

// Takes what is there; false once the channel has ended. In the end nothing is there, and the channel is armed: whatever comes
// makes its descriptor readable.
bool drain(sluice::Channel& channel, int& messages) {
  while (channel.arm(Want::message).value() == Readiness::ready) {
    const auto message = channel.receive(sluice::Deadline::now());
    if (message) {
      ++messages;
    } else if (channel.ended()) {
      return false;
    }
  }
  return true;
}

int serve(const std::string& endpoint) {
  auto listener = sluice::listen(endpoint).value();
  auto channel = listener.accept(10s).value();
  const int loop = epoll_create1(EPOLL_CLOEXEC);
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const itimerspec every_millisecond{.it_interval = {.tv_sec = 0, .tv_nsec = 1'000'000},
                                     .it_value = {.tv_sec = 0, .tv_nsec = 1}};
  if (timerfd_settime(timer, 0, &every_millisecond, nullptr) != 0) return 1;
  watch(loop, timer);
  watch(loop, static_cast<int>(channel.waitable().value().native));
  int messages = 0;
  int ticks = 0;
  bool goes_on = drain(channel, messages);
  while (goes_on) {
    std::array<epoll_event, 2> events;
    const int count = epoll_wait(loop, events.data(), events.size(), -1);
    for (int at = 0; at < count; ++at) {
      std::uint64_t expired = 0;
      if (events[static_cast<std::size_t>(at)].data.fd != timer) {
        goes_on = drain(channel, messages);
      } else if (read(timer, &expired, sizeof expired) > 0) {
        ++ticks;
      }
    }
  }
  std::cout << messages << " messages, " << (ticks > 0 ? "and ticks" : "no tick") << '\n';
  close(timer);
  close(loop);
  return channel.ended()->code == sluice::Errc::closed ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  if (argv[1] == std::string("serve")) return serve(argv[2]);
  sluice::Options patient;
  patient.wait_for_listener = true;
  auto channel = sluice::connect(argv[2], 10s, patient).value();
  for (const std::string text : {"one", "two", "three"}) {
    channel.send(sluice::as_bytes(text), 10s).value();
    usleep(5000);
  }
  channel.close(10s).value();
}
