#include "links/fault.hpp"

#if defined(SLUICE_FAULT_POINTS)
namespace sluice::inline v0::fault {
void (*hook)(const char* point) = nullptr;
}
#endif
