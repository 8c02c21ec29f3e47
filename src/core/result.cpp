// What Result::value() does where there is none. It stands here and not in the header: the library is always compiled with
// exceptions and RTTI, its users may be not.
#include <sluice/result.hpp>

#include <cstdio>
#include <cstdlib>

namespace sluice::inline v0 {

const char* BadResultAccess::what() const noexcept { return std::runtime_error::what(); }

namespace detail {

void throw_bad_result_access(const Error& error) { throw BadResultAccess(error); }

// noexcept: if there is no memory for the sentence, the program ends all the same.
void abort_bad_result_access(const Error& error) noexcept {
  (void)std::fprintf(stderr, "sluice: value() of a Result that holds an error: %s\n", describe(error).c_str());
  std::abort();
}

}  // namespace detail
}  // namespace sluice::inline v0
