// prefetch() by the compilers' own word for it: there is no system call in it, and each processor has another instruction.
#include "links/system.hpp"

namespace sluice::inline v0::links {

void prefetch(const void* line) noexcept { __builtin_prefetch(line); }

}  // namespace sluice::inline v0::links
