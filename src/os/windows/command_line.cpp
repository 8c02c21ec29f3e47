#include "os/windows/command_line.hpp"

#include <algorithm>
#include <vector>

#include "os/windows/system_headers.hpp"
#include "os/windows/text.hpp"

namespace sluice::inline v0::os {
namespace {

// Backslashes count only where a quotation mark follows: then they are doubled.
void append_quoted(std::wstring& line, const std::wstring& word) {
  line += L'"';
  std::size_t backslashes = 0;
  for (const wchar_t letter : word) {
    if (letter == L'\\') {
      ++backslashes;
      continue;
    }
    line.append(letter == L'"' ? 2 * backslashes + 1 : backslashes, L'\\');
    backslashes = 0;
    line += letter;
  }
  line.append(2 * backslashes, L'\\');
  line += L'"';
}

bool is_before(const std::wstring& one, const std::wstring& other) noexcept {
  return ::CompareStringOrdinal(one.data(), static_cast<int>(one.size()), other.data(), static_cast<int>(other.size()), TRUE) ==
         CSTR_LESS_THAN;
}

// Names of variables don't tell small letters from capitals.
bool begins_with(std::wstring_view text, std::wstring_view beginning) noexcept {
  const int size = static_cast<int>(beginning.size());
  return text.size() >= beginning.size() &&
         ::CompareStringOrdinal(text.data(), size, beginning.data(), size, TRUE) == CSTR_EQUAL;
}

}  // namespace

std::wstring command_line_of(std::span<const std::string> words) {
  std::wstring line;
  for (const auto& word : words) {
    if (!line.empty()) line += L' ';
    append_quoted(line, to_wide(word));
  }
  return line;
}

std::wstring environment_with(std::string_view left_out, std::span<const std::string> added) {
  const std::wstring omitted = to_wide(left_out);
  std::vector<std::wstring> variables;
  if (wchar_t* const ours = ::GetEnvironmentStringsW()) {
    for (const wchar_t* one = ours; *one != L'\0'; one += variables.back().size() + 1) variables.emplace_back(one);
    ::FreeEnvironmentStringsW(ours);
  }
  std::erase_if(variables, [&](const auto& one) { return !omitted.empty() && begins_with(one, omitted); });
  for (const auto& one : added) variables.push_back(to_wide(one));
  std::ranges::stable_sort(variables, is_before);
  std::wstring block;
  for (const auto& one : variables) block.append(one).push_back(L'\0');
  block.push_back(L'\0');
  return block;
}

std::wstring find_program(const std::string& name) {
  const std::wstring wide = to_wide(name);
  const bool is_path = name.find_first_of("/\\:") != std::string::npos;
  std::wstring folders;
  if (!is_path) {
    folders.resize(::GetEnvironmentVariableW(L"PATH", nullptr, 0));
    if (folders.empty()) return {};
    folders.resize(::GetEnvironmentVariableW(L"PATH", folders.data(), static_cast<DWORD>(folders.size())));
  }
  const wchar_t* const where = is_path ? nullptr : folders.c_str();
  std::wstring found(::SearchPathW(where, wide.c_str(), L".exe", 0, nullptr, nullptr), L'\0');
  if (found.empty()) return {};
  found.resize(::SearchPathW(where, wide.c_str(), L".exe", static_cast<DWORD>(found.size()), found.data(), nullptr));
  return found;
}

}  // namespace sluice::inline v0::os
