// Standard input, output and error: made safe at the start, and written to without exceptions.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>

namespace tool {

// Call first. A standard stream that was closed by whoever started us is taken by something that can neither be read nor
// written: else the next socket or file would get its number, and what is printed would end up there.
void occupy_standard_streams() noexcept;

// True if a person may be reading standard error.
[[nodiscard]] bool standard_error_is_terminal() noexcept;

// fmt::print throws where writing fails. Here a failure of standard output is found by the one check at the end (main.cpp),
// and one of standard error changes nothing.
template <class... Values>
void print(std::FILE* where, fmt::format_string<Values...> format, Values&&... values) {
  const std::string text = fmt::format(format, std::forward<Values>(values)...);
  (void)std::fwrite(text.data(), 1, text.size(), where);
}

}  // namespace tool
