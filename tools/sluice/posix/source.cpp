// Reading files on POSIX.
#include "source.hpp"

#include <sys/stat.h>

#include "posix/file.hpp"
#include "report.hpp"

namespace tool {

namespace {

class FileSource final : public Source {
 public:
  FileSource(posix::File owned, int descriptor, std::optional<std::uint64_t> expected_size)
      : owned_(std::move(owned)), descriptor_(descriptor), expected_size_(expected_size) {}

  [[nodiscard]] std::optional<std::uint64_t> expected_size() const noexcept override { return expected_size_; }

  [[nodiscard]] std::expected<std::size_t, std::string> read(std::span<std::byte> room) override {
    ssize_t got = -1;
    do got = ::read(descriptor_, room.data(), room.size());
    while (got < 0 && errno == EINTR);
    if (got < 0) return std::unexpected("can't read it: " + system_text(errno));
    return static_cast<std::size_t>(got);
  }

 private:
  posix::File owned_;  // closed for standard input
  int descriptor_;
  std::optional<std::uint64_t> expected_size_;
};

// The bytes of a regular file from here to its end; nothing for pipes and devices, nor for files that say 0, as all of /proc
// does whatever it holds (proc(5)).
std::optional<std::uint64_t> bytes_ahead(int descriptor, const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  const off_t here = ::lseek(descriptor, 0, SEEK_CUR);
  if (here < 0 || status.st_size <= here) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size - here);
}

}  // namespace

std::expected<std::unique_ptr<Source>, std::string> open_source(const std::string& path) {
  posix::File opened;
  if (path != "-") {
    opened = posix::File(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!opened.is_open()) return std::unexpected("can't open it: " + system_text(errno));
  }
  const int descriptor = opened.is_open() ? opened.get() : STDIN_FILENO;
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return std::unexpected("can't read it: " + system_text(errno));
  if (S_ISDIR(status.st_mode)) return std::unexpected("it is a folder; pack it (tar -c FOLDER | sluice send ENDPOINT -)");
  return std::make_unique<FileSource>(std::move(opened), descriptor, bytes_ahead(descriptor, status));
}

}  // namespace tool
