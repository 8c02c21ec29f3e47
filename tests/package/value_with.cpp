// The part with exceptions: `value throw` prints what was caught; `value abort` and `value abort-nothing` end in the other
// part, which can't catch anything.
#include <iostream>

#include "value.hpp"

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  const sluice::Result<int> failed = sluice::Error{sluice::Errc::held, sluice::Step::receive, 0, 0, 0};
  const sluice::Result<void> nothing = failed.error();
  try {
    if (what == "throw") return failed.value();
    if (what == "throw-nothing") nothing.value();
    if (what == "abort") return value_without_exceptions(failed);
    if (what == "abort-nothing") nothing_without_exceptions(nothing);
  } catch (const sluice::BadResultAccess& caught) {
    std::cout << "caught: " << caught.what() << '\n';
    return 0;
  }
  return 2;
}
