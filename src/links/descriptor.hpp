// Descriptor: owns one handle of the operating system (a file descriptor, a HANDLE). Closed by the destructor; in a forked
// child the library's descriptors are closed by a fork handler at once, and the destructor there does nothing.
#pragma once

#include <cstdint>
#include <utility>

namespace sluice::inline v0::links {

class Descriptor {
 public:
  using Native = std::intptr_t;
  static constexpr Native kNone = -1;

  Descriptor() noexcept = default;
  // Takes ownership, and registers the handle with the fork handler. Defined in os/.
  explicit Descriptor(Native native) noexcept;
  Descriptor(Descriptor&& other) noexcept : native_(std::exchange(other.native_, kNone)), generation_(other.generation_) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      native_ = std::exchange(other.native_, kNone);
      generation_ = other.generation_;
    }
    return *this;
  }
  ~Descriptor() { reset(); }

  [[nodiscard]] Native native() const noexcept { return native_; }
  [[nodiscard]] explicit operator bool() const noexcept { return native_ != kNone; }

  // Closes now. Defined in os/.
  void reset() noexcept;
  // Gives it away: the caller closes it, and a forked child keeps it. In a forked child there is
  // none: kNone. Defined in os/.
  [[nodiscard]] Native release() noexcept;

 private:
  Native native_{kNone};
  std::uint32_t generation_{0};  // the process generation (system.hpp) in which it was opened
};

}  // namespace sluice::inline v0::links
