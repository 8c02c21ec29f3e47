#include "loops.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <system_error>
#include <variant>

#include "machine.hpp"

namespace sluice_test {
namespace {

using sluice::Want;

constexpr std::size_t kEventsAtOnce = 64;

class WaitSetLoop final : public Loop {
 public:
  void add(sluice::Channel& channel, Key key, Want want) override { set_.add(channel, key, want).value(); }
  void change(sluice::Channel& channel, Key, Want want) override { set_.change(channel, want).value(); }
  void remove(sluice::Channel& channel, Key) override { set_.remove(channel).value(); }
  void add(sluice::Listener& listener, Key key) override { set_.add(listener, key).value(); }
  void remove(sluice::Listener& listener, Key) override { set_.remove(listener).value(); }
  void add(sluice::Waitable waitable, Key key) override { set_.add(waitable, key).value(); }
  void remove(sluice::Waitable waitable, Key) override { set_.remove(waitable).value(); }

  std::vector<Key> wait() override {
    std::array<sluice::Event, kEventsAtOnce> events;
    const auto count = set_.wait(events, patience()).value();
    std::vector<Key> found;
    for (const auto& event : std::span{events}.first(count)) found.push_back(event.key);
    return found;
  }

 private:
  sluice::WaitSet set_ = sluice::WaitSet::create().value();
};

// Whatever was found is looked at again before the loop sleeps: nothing but an arm() that found nothing makes a waitable tell.
class EpollLoop final : public Loop {
 public:
  EpollLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
  EpollLoop(const EpollLoop&) = delete;
  EpollLoop& operator=(const EpollLoop&) = delete;
  ~EpollLoop() override { ::close(epoll_); }

  void add(sluice::Channel& channel, Key key, Want want) override {
    watch(channel.waitable().value(), key, {.what = &channel, .want = want});
  }
  void change(sluice::Channel&, Key key, Want want) override {
    members_.at(key).want = want;
    to_look_at_.insert(key);
  }
  void remove(sluice::Channel& channel, Key key) override { forget(channel.waitable().value(), key); }
  void add(sluice::Listener& listener, Key key) override { watch(listener.waitable().value(), key, {.what = &listener}); }
  void remove(sluice::Listener& listener, Key key) override { forget(listener.waitable().value(), key); }
  void add(sluice::Waitable waitable, Key key) override { watch(waitable, key, {.what = waitable}); }
  void remove(sluice::Waitable waitable, Key key) override { forget(waitable, key); }

  std::vector<Key> wait() override {
    std::vector<Key> found;
    while (found.empty()) {
      fetch(to_look_at_.empty() ? patience() : milliseconds(0));
      std::erase_if(to_look_at_, [&](Key key) {
        const bool has_something = is_ready(members_.at(key));
        if (has_something) found.push_back(key);
        return !has_something;
      });
    }
    return found;
  }

 private:
  struct Member {
    std::variant<sluice::Channel*, sluice::Listener*, sluice::Waitable> what;
    Want want{Want::nothing};
  };

  void watch(sluice::Waitable waitable, Key key, Member member) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = key;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, static_cast<int>(waitable.native), &event) != 0)
      throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    members_.emplace(key, member);
    if (!std::holds_alternative<sluice::Waitable>(member.what)) to_look_at_.insert(key);
  }

  void forget(sluice::Waitable waitable, Key key) {
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, static_cast<int>(waitable.native), nullptr);
    members_.erase(key);
    to_look_at_.erase(key);
  }

  void fetch(milliseconds limit) {
    std::array<epoll_event, kEventsAtOnce> events;
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), static_cast<int>(limit.count()));
    if (count < 0) throw std::system_error(errno, std::generic_category(), "epoll_wait");
    if (count == 0 && to_look_at_.empty()) throw std::runtime_error("nothing happens");
    for (const auto& event : std::span{events}.first(static_cast<std::size_t>(count))) {
      const std::uint64_t key = event.data.u64;  // packed there, and may not be referred to
      to_look_at_.insert(key);
    }
  }

  static bool is_ready(const Member& member) {
    if (auto* const* channel = std::get_if<sluice::Channel*>(&member.what))
      return (*channel)->arm(member.want).value() == sluice::Readiness::ready;
    if (auto* const* listener = std::get_if<sluice::Listener*>(&member.what))
      return (*listener)->arm().value() == sluice::Readiness::ready;
    return true;  // epoll has said so
  }

  int epoll_;
  std::map<Key, Member> members_;
  std::set<Key> to_look_at_;
};

}  // namespace

std::unique_ptr<Loop> make_wait_set_loop() { return std::make_unique<WaitSetLoop>(); }
std::unique_ptr<Loop> make_epoll_loop() { return std::make_unique<EpollLoop>(); }

}  // namespace sluice_test
