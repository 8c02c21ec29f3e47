// The folder store on Windows. A file is written under a temporary name, marked to be deleted when its handle is closed
// ("FILE_DISPOSITION_INFO structure"): however this process ends, nothing is left of it. When it is whole, the mark is taken
// away and the file renamed through its handle, which fails if the name is taken: there is no moment in between.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "store.hpp"
#include "windows/handle.hpp"

namespace tool {

namespace {

using windows::OwnedHandle;

std::atomic<std::size_t> stores{0};

// What a name may not be here besides what transfer::name_problem() says: characters and endings that file systems treat in a
// way of their own, and devices, also with an extension ("Naming Files, Paths, and Namespaces").
bool is_name_here(std::string_view name) {
  if (name.find_first_of("<>:\"|?*") != std::string_view::npos || name.back() == '.' || name.back() == ' ') return false;
  std::string stem(name.substr(0, name.find('.')));
  while (!stem.empty() && stem.back() == ' ') stem.pop_back();
  std::ranges::transform(stem, stem.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  constexpr auto kDevices = std::to_array<std::string_view>({"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"});
  if (std::ranges::find(kDevices, stem) != kDevices.end()) return false;
  const bool is_port = stem.starts_with("COM") || stem.starts_with("LPT");
  // The last one: a digit, or one of the superscripts 1, 2, 3, whose UTF-8 has two bytes.
  return !is_port || stem.size() < 4 || stem.size() > 5 || (stem.size() == 5 && stem[3] != '\xC2');
}

class FolderStore final : public Store {
 public:
  FolderStore(std::wstring folder, std::string path, bool replace)
      : folder_(std::move(folder)), path_(std::move(path)), replace_(replace) {}
  ~FolderStore() override {
    FolderStore::discard();
    --stores;
  }

  std::expected<void, Refusal> begin(std::string_view name) override;
  std::expected<void, Refusal> write(std::span<const std::byte> bytes) override;
  std::expected<void, Refusal> keep() override;
  void discard() noexcept override { file_.close(); }

 private:
  [[nodiscard]] int make_temporary();
  [[nodiscard]] bool mark_deleted(bool deleted) noexcept;
  [[nodiscard]] int publish();
  [[nodiscard]] std::unexpected<Refusal> cannot_write(int code) const;
  [[nodiscard]] std::unexpected<Refusal> exists() const;

  std::wstring folder_;
  std::string path_;
  bool replace_;
  std::wstring name_;
  OwnedHandle file_;
};

std::expected<void, Refusal> FolderStore::begin(std::string_view name) {
  discard();
  if (!is_name_here(name)) {
    return std::unexpected(Refusal{transfer::Reason::name, "a file can't be called so on Windows; send it --as another name"});
  }
  name_ = windows::to_wide(name);
  // Only to spare the way: what counts is publish().
  if (!replace_ && ::GetFileAttributesW((folder_ + L'\\' + name_).c_str()) != INVALID_FILE_ATTRIBUTES) return exists();
  if (const int code = make_temporary()) return cannot_write(code);
  return {};
}

std::expected<void, Refusal> FolderStore::write(std::span<const std::byte> bytes) {
  if (const int code = windows::write_all(file_.get(), bytes)) return cannot_write(code);
  return {};
}

std::expected<void, Refusal> FolderStore::keep() {
  const int code = publish();
  discard();
  if ((code == ERROR_ALREADY_EXISTS || code == ERROR_FILE_EXISTS) && !replace_) return exists();
  if (code != 0) return cannot_write(code);
  return {};
}

// Makes and opens the temporary file: 0, or the system's code.
int FolderStore::make_temporary() {
  constexpr int kAttempts = 16;  // of 64 random bits each: a second one is needed by nobody but an attacker
  std::random_device random;
  int code = ERROR_FILE_EXISTS;
  for (int attempt = 0; attempt < kAttempts && code == ERROR_FILE_EXISTS; ++attempt) {
    const std::uint64_t number = std::uint64_t{random()} << 32 | random();
    const std::wstring path = folder_ + windows::to_wide(fmt::format("\\.sluice-{:016x}.part", number));
    file_ = OwnedHandle(
        ::CreateFileW(path.c_str(), GENERIC_WRITE | DELETE, 0, nullptr, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr));
    code = file_ ? 0 : windows::last_error();
  }
  if (code == 0 && !mark_deleted(true)) code = windows::last_error();
  return code;
}

bool FolderStore::mark_deleted(bool deleted) noexcept {
  FILE_DISPOSITION_INFO disposition{};
  disposition.DeleteFile = deleted ? TRUE : FALSE;
  return ::SetFileInformationByHandle(file_.get(), FileDispositionInfo, &disposition, sizeof disposition) != 0;
}

// Gives the finished file its name: 0, or the system's code.
int FolderStore::publish() {
  const std::wstring target = folder_ + L'\\' + name_;
  std::vector<std::byte> room(sizeof(FILE_RENAME_INFO) + target.size() * sizeof(wchar_t));
  auto* const rename = reinterpret_cast<FILE_RENAME_INFO*>(room.data());
  rename->ReplaceIfExists = replace_ ? TRUE : FALSE;
  rename->FileNameLength = static_cast<DWORD>(target.size() * sizeof(wchar_t));
  std::memcpy(rename->FileName, target.data(), rename->FileNameLength);
  if (!mark_deleted(false)) return windows::last_error();
  if (::SetFileInformationByHandle(file_.get(), FileRenameInfo, rename, static_cast<DWORD>(room.size())) != 0) return 0;
  const int code = windows::last_error();
  (void)mark_deleted(true);
  return code;
}

std::unexpected<Refusal> FolderStore::cannot_write(int code) const {
  return std::unexpected(Refusal{transfer::Reason::write, fmt::format("can't write it to {}: {}", path_, system_text(code))});
}

std::unexpected<Refusal> FolderStore::exists() const {
  return std::unexpected(Refusal{transfer::Reason::exists,
                                 fmt::format("there is one of that name in {} already; `receive --force` replaces it", path_)});
}

// The whole path, of the form that has no limit of 260 letters ("Maximum Path Length Limitation"). Empty: there is none.
std::wstring full_path(const std::string& folder) {
  const std::wstring wide = windows::to_wide(folder);
  std::wstring full(::GetFullPathNameW(wide.c_str(), 0, nullptr, nullptr), L'\0');
  if (full.empty()) return {};
  full.resize(::GetFullPathNameW(wide.c_str(), static_cast<DWORD>(full.size()), full.data(), nullptr));
  while (full.size() > 3 && full.back() == L'\\') full.pop_back();  // but for that of a root: C:\.
  const bool is_plain = full.size() > 1 && full[1] == L':';
  return is_plain ? L"\\\\?\\" + full : full;
}

}  // namespace

std::expected<std::unique_ptr<Store>, Failure> make_folder_store(const std::string& folder, bool replace) {
  std::wstring full = full_path(folder);
  const DWORD attributes = ::GetFileAttributesW(full.c_str());
  const bool is_there = attributes != INVALID_FILE_ATTRIBUTES;
  if (!is_there || (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0) {
    const int code = is_there ? ERROR_DIRECTORY : windows::last_error();
    return std::unexpected(
        Failure{Exit::failed,
                fmt::format("can't open the folder {}: {}; make it, or name another with --into", folder, system_text(code))});
  }
  if (++stores > kMostStores) {
    --stores;
    return std::unexpected(Failure{Exit::failed, "too many senders write to the folder " + folder});
  }
  return std::make_unique<FolderStore>(std::move(full), folder, replace);
}

}  // namespace tool
