// Reading files on Windows.
#include "source.hpp"

#include "report.hpp"
#include "windows/handle.hpp"

namespace tool {

namespace {

class FileSource final : public Source {
 public:
  FileSource(windows::OwnedHandle owned, HANDLE handle, std::optional<std::uint64_t> expected_size)
      : owned_(std::move(owned)), handle_(handle), expected_size_(expected_size) {}

  [[nodiscard]] std::optional<std::uint64_t> expected_size() const noexcept override { return expected_size_; }

  [[nodiscard]] std::expected<std::size_t, std::string> read(std::span<std::byte> room) override {
    std::size_t count = 0;
    if (const int code = windows::read_some(handle_, room, count))
      return std::unexpected("can't read it: " + system_text(code));
    return count;
  }

 private:
  windows::OwnedHandle owned_;  // closed for standard input
  HANDLE handle_;
  std::optional<std::uint64_t> expected_size_;
};

// The bytes of a file from here to its end; nothing for pipes and devices.
std::optional<std::uint64_t> bytes_ahead(HANDLE handle) {
  LARGE_INTEGER size{};
  LARGE_INTEGER here{};
  if (::GetFileType(handle) != FILE_TYPE_DISK || ::GetFileSizeEx(handle, &size) == 0) return std::nullopt;
  if (::SetFilePointerEx(handle, {}, &here, FILE_CURRENT) == 0 || size.QuadPart <= here.QuadPart) return std::nullopt;
  return static_cast<std::uint64_t>(size.QuadPart - here.QuadPart);
}

}  // namespace

std::expected<std::unique_ptr<Source>, std::string> open_source(const std::string& path) {
  if (path == "-") {
    const HANDLE input = ::GetStdHandle(STD_INPUT_HANDLE);
    return std::make_unique<FileSource>(windows::OwnedHandle(), input, bytes_ahead(input));
  }
  const std::wstring wide = windows::to_wide(path);
  const DWORD attributes = ::GetFileAttributesW(wide.c_str());
  if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
    return std::unexpected("it is a folder; pack it (tar -c -f - FOLDER | sluice send ENDPOINT -)");
  }
  // Others may go on writing, renaming and deleting it, as on other systems.
  windows::OwnedHandle opened(::CreateFileW(wide.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                            nullptr, OPEN_EXISTING, FILE_FLAG_SEQUENTIAL_SCAN, nullptr));
  if (!opened) return std::unexpected("can't open it: " + system_text(windows::last_error()));
  const HANDLE handle = opened.get();
  return std::make_unique<FileSource>(std::move(opened), handle, bytes_ahead(handle));
}

}  // namespace tool
