// prefetch() by the word that gcc and clang have for it on all systems: there is no system call in it.
#include "links/system.hpp"

namespace sluice::inline v0::links {

void prefetch(const void* line) noexcept { __builtin_prefetch(line); }

}  // namespace sluice::inline v0::links
