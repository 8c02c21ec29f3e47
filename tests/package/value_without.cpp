// The part that is compiled with -fno-exceptions -fno-rtti.
#include "value.hpp"

int value_without_exceptions(const sluice::Result<int>& result) { return result.value(); }
void nothing_without_exceptions(const sluice::Result<void>& result) { result.value(); }
