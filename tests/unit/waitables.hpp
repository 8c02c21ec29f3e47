// Waitables as a stranger's event loop sees them, by the system's own means (posix/, windows/).
#pragma once

#include <chrono>
#include <memory>
#include <sluice/handle.hpp>
#include <sluice/waitable.hpp>

namespace sluice_test {

// Whether it is, or becomes so within that time.
[[nodiscard]] bool is_readable(sluice::Waitable waitable, std::chrono::milliseconds patience = std::chrono::milliseconds{0});

// Something to wait for that the library knows nothing of: readable once it is lit, and from then on.
class Lamp {
 public:
  Lamp();
  Lamp(const Lamp&) = delete;
  Lamp& operator=(const Lamp&) = delete;
  ~Lamp();
  void light() const { light(handle()); }
  [[nodiscard]] sluice::Waitable waitable() const;

  // The handle by which it is lit, borrowed; and lighting by it, or by a duplicate that has travelled.
  [[nodiscard]] sluice::Handle::Native handle() const;
  static void light(sluice::Handle::Native handle);

 private:
  struct Ends;
  std::unique_ptr<Ends> ends_;
};

}  // namespace sluice_test
