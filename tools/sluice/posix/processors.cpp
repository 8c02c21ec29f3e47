// Which processors there are, and staying on one: sched_setaffinity(2), which is Linux's own.
#include <sched.h>

#include <cstddef>

#include "processes.hpp"

namespace tool {

std::vector<int> usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> processors;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return processors;  // more than CPU_SETSIZE processors: EINVAL
  for (std::size_t processor = 0; processor < CPU_SETSIZE; ++processor)
    if (CPU_ISSET(processor, &set)) processors.push_back(static_cast<int>(processor));
  return processors;
}

bool stay_on(int processor) noexcept {
  if (processor < 0 || processor >= CPU_SETSIZE) return false;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(processor), &set);
  return ::sched_setaffinity(0, sizeof set, &set) == 0;
}

}  // namespace tool
