// Birthplace: the process in which an object was made. In a forked child, locks may be held by threads that don't exist there,
// and a condition variable waits in its destructor for such threads (pthread_cond_destroy, glibc nptl): so there nothing is
// locked, woken or destroyed. The memory stays; the descriptors were closed by the fork handler (links/descriptor.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "links/system.hpp"

namespace sluice::inline v0::mechanism::inproc {

class Birthplace {
 public:
  [[nodiscard]] bool is_here() const noexcept { return generation_ == links::process_generation(); }

 private:
  std::uint32_t generation_{links::process_generation()};
};

// Keeps what `shared` points to for ever, undestroyed.
template <class T>
void abandon(std::shared_ptr<T>& shared) noexcept {
  if (!shared) return;
  // The count never falls to 0 any more. Where memory is refused even for this, the reference is overwritten, which is as good.
  auto* kept = new (std::nothrow) std::shared_ptr<T>(std::move(shared));
  if (kept == nullptr) new (&shared) std::shared_ptr<T>();
}

}  // namespace sluice::inline v0::mechanism::inproc
