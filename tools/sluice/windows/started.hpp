// Starting programs: what the tool's own second process and the programs of --exec have in common.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "windows/handle.hpp"

namespace tool::windows {

struct Start {
  std::wstring program;           // its path
  std::wstring line;              // its command line, the program's name included
  std::vector<HANDLE> inherited;  // besides the standard streams; nothing else is
  HANDLE input{};                 // standard streams; null: ours
  HANDLE output{};
  std::span<const std::string> environment{};  // "NAME=VALUE", besides ours
};

// A process that ends with this one at the latest, however this one ends, and with all that it has started.
struct Started {
  OwnedHandle process;
  OwnedHandle job;
  DWORD id{0};
};

// 0 and `started`, or the system's code.
[[nodiscard]] int start(const Start& what, Started& started);

// A word as programs take a command line apart ("Parsing C++ command-line arguments").
[[nodiscard]] std::wstring quoted(std::wstring_view word);

}  // namespace tool::windows
