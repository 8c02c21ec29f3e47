// Handles of which a test sees whether somebody has kept them.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <stdexcept>

#include "machine.hpp"
#include "raw_peer.hpp"

namespace sluice_test {

// The writing end of a pipe, in as many copies as one likes: its other end tells when all of them are closed.
class Bait {
 public:
  Bait() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  }
  Bait(const Bait&) = delete;
  Bait& operator=(const Bait&) = delete;
  ~Bait() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  [[nodiscard]] Files copies(std::size_t count) const {
    Files files;
    for (std::size_t at = 0; at < count; ++at) files.add(::fcntl(ends_[1], F_DUPFD_CLOEXEC, 0));
    return files;
  }
  // Closes our own, and waits until nobody else has one.
  bool is_gone() {
    ::close(ends_[1]);
    ends_[1] = -1;
    pollfd look{ends_[0], 0, 0};
    return ::poll(&look, 1, static_cast<int>(patience().count())) == 1 && (look.revents & POLLHUP) != 0;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

}  // namespace sluice_test
