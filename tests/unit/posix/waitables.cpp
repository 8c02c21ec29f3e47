#include "unit/waitables.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>

namespace sluice_test {

bool is_readable(sluice::Waitable waitable, std::chrono::milliseconds patience) {
  pollfd one{.fd = static_cast<int>(waitable.native), .events = POLLIN, .revents = 0};
  return ::poll(&one, 1, static_cast<int>(patience.count())) == 1;
}

struct Lamp::Ends {
  std::array<int, 2> pipe{-1, -1};
};

Lamp::Lamp() : ends_(std::make_unique<Ends>()) {
  if (::pipe(ends_->pipe.data()) != 0) ADD_FAILURE() << "pipe";
}
Lamp::~Lamp() {
  for (const int end : ends_->pipe) ::close(end);
}
sluice::Handle::Native Lamp::handle() const { return ends_->pipe[1]; }
void Lamp::light(sluice::Handle::Native handle) { EXPECT_EQ(::write(static_cast<int>(handle), "x", 1), 1); }
sluice::Waitable Lamp::waitable() const { return {ends_->pipe[0]}; }

}  // namespace sluice_test
