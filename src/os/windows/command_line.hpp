// A program's words as the one line that CreateProcess takes, and its environment as one block.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sluice::inline v0::os {

// As CommandLineToArgvW and the C runtime take it apart again ("Parsing C++ command-line arguments").
[[nodiscard]] std::wstring command_line_of(std::span<const std::string> words);

// Ours without the variables whose names begin with `left_out` (empty: all of them), and these besides ("NAME=VALUE"); sorted,
// as CreateProcess wants it.
[[nodiscard]] std::wstring environment_with(std::string_view left_out, std::span<const std::string> added);

// The program of that name: a path, or a name that is looked for in PATH, with .exe behind it where it has no such end. Empty:
// there is none. The current folder is not looked through, unless PATH names it.
[[nodiscard]] std::wstring find_program(const std::string& name);

}  // namespace sluice::inline v0::os
