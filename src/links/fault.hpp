// Named points at which tests kill or stop a process: shared memory has no system calls to step by. Compiled in only with
// SLUICE_FAULT_POINTS; without it point() is nothing, and no symbol of it is left in the library.
#pragma once

namespace sluice::inline v0::fault {

#if defined(SLUICE_FAULT_POINTS)
// Called at each point with its name, if set; set it before the first channel is made.
extern void (*hook)(const char* point);
inline void point(const char* name) {
  if (hook != nullptr) hook(name);
}
#else
inline void point(const char*) {}
#endif

}  // namespace sluice::inline v0::fault
