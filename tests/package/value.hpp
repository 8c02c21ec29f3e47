// value() in the two parts of one program: value_with.cpp is compiled with exceptions, value_without.cpp without.
#pragma once

#include <sluice/sluice.hpp>

int value_without_exceptions(const sluice::Result<int>& result);
void nothing_without_exceptions(const sluice::Result<void>& result);
