// What a test does while it waits for its peer, where the peer needs it.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "conformance.hpp"

namespace sluice_test {

// Does something until the peer has done what it was asked for.
template <class Something>
Reply finish_while(Pair& pair, std::uint64_t request, Something something) {
  std::atomic<bool> is_done{false};
  std::thread doing([&] {
    while (!is_done) something();
  });
  const Reply reply = pair.peer->finish(request);
  is_done = true;
  doing.join();
  return reply;
}

// … moves what a commit has left, for it to receive.
inline Reply finish_while_moving(Pair& pair, std::uint64_t request) {
  return finish_while(pair, request, [&] {
    pair.channel.advance();
    std::this_thread::sleep_for(1ms);
  });
}

// … answers what it asks, when it flushes.
inline Reply finish_while_answering(Pair& pair, std::uint64_t request) {
  return finish_while(pair, request, [&] { EXPECT_CODE(pair.channel.receive(10ms), Errc::timed_out); });
}

}  // namespace sluice_test
