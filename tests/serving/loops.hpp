// The two event loops that a server may stand on: the library's WaitSet, and one of its own (here: epoll(7)) over arm() and
// waitable(). Used by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <sluice/sluice.hpp>
#include <vector>

namespace sluice_test {

using Key = std::uint64_t;

// What it is given is borrowed, does not move, and is taken out before it goes. What can't be done throws.
class Loop {
 public:
  virtual ~Loop() = default;

  virtual void add(sluice::Channel& channel, Key key, sluice::Want want) = 0;
  virtual void change(sluice::Channel& channel, Key key, sluice::Want want) = 0;
  virtual void remove(sluice::Channel& channel, Key key) = 0;
  virtual void add(sluice::Listener& listener, Key key) = 0;
  virtual void remove(sluice::Listener& listener, Key key) = 0;
  // Something of others, readable once.
  virtual void add(sluice::Waitable waitable, Key key) = 0;
  virtual void remove(sluice::Waitable waitable, Key key) = 0;

  // Those at which there is something, at least one. Throws if nothing happens for as long as a test waits.
  virtual std::vector<Key> wait() = 0;
};

[[nodiscard]] std::unique_ptr<Loop> make_wait_set_loop();
[[nodiscard]] std::unique_ptr<Loop> make_epoll_loop();

}  // namespace sluice_test
