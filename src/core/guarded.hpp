// No exception but Result::value()'s crosses the public interface: where memory is refused, the call answers out_of_memory.
#pragma once

#include <new>

#include <sluice/error.hpp>

namespace sluice::inline v0::core {

template <class Call>
auto guarded(Step step, Call call) noexcept -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return Error{Errc::out_of_memory, step, 0, 0, 0};
  }
}

[[nodiscard]] inline Error moved_from(Step step) noexcept { return Error{Errc::misuse, step, 0, 0, 0}; }

}  // namespace sluice::inline v0::core
