// A program that crashes, guarded as the tests are: the one test that must be seen as failed, or no other result means
// anything.
#include <cstdint>

#include "support/windows/guard.hpp"

int main(int count, char**) {
  sluice_test::guard_this_process();
  auto* volatile nowhere = reinterpret_cast<volatile int*>(std::uintptr_t{8});
  *nowhere = count;
  return 0;
}
