// A handle that is watched while it travels.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <sluice/sluice.hpp>

#include <array>
#include <chrono>
#include <span>
#include <stdexcept>

namespace sluice_test {

inline sluice::Result<void> send_with(sluice::Channel& channel, std::span<const std::byte> bytes,
                                      std::span<const sluice::Handle> handles, sluice::Deadline deadline) {
  return channel.send({.parts = {&bytes, 1}, .handles = handles}, deadline);
}

// A pipe of which one end travels: that the other one sees its end tells that all copies of it are closed.
class Watched {
 public:
  Watched() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    stays_ = sluice::Handle{ends[0]};
    travels_ = sluice::Handle{ends[1]};
  }
  // Sends the end that travels with a message, and closes our own.
  sluice::Result<void> send(sluice::Channel& channel, std::span<const std::byte> bytes, sluice::Deadline deadline) {
    auto sent = send_with(channel, bytes, {&travels_, 1}, deadline);
    travels_.close();
    return sent;
  }
  // Attaches it to a loan, and closes our own.
  sluice::Result<void> attach(sluice::Loan& loan) {
    auto attached = loan.attach({&travels_, 1});
    travels_.close();
    return attached;
  }
  [[nodiscard]] bool is_closed(std::chrono::milliseconds wait) const {
    pollfd look{static_cast<int>(stays_.native()), 0, 0};
    return ::poll(&look, 1, static_cast<int>(wait.count())) == 1 && (look.revents & POLLHUP) != 0;
  }

 private:
  sluice::Handle stays_;
  sluice::Handle travels_;
};

}  // namespace sluice_test
