// The lock is an open file description lock (fcntl(2), F_OFD_SETLK): it ends when the last descriptor of the description is
// closed, and conflicts between two descriptions of one process too. The file's text:
//
//   sluice 0
//   name shm:camera            as os/names.hpp encodes it
//   objects sluice-0123…       or a dash
//   socket 38 4711 1764000000 123456789
//   end
#include "os/name_lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "links/system.hpp"
#include "os/failure.hpp"
#include "os/names.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr std::string_view kFirstLine = "sluice 0";
constexpr std::string_view kLastLine = "end";
constexpr std::size_t kLongestRecord = 16384;  // a path (4,096 bytes), each byte as %XX, and the rest
constexpr int kTries = 64;  // as often can a file be unlinked by its last holder between our open and our lock

links::Descriptor open_file(const Folder& folder, const std::string& file, int flags) noexcept {
  return links::Descriptor{::openat(static_cast<int>(folder.handle.native()), file.c_str(),
                                    flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR)};
}

bool lock_whole(int descriptor) noexcept {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;  // l_start 0, l_len 0: all of it; l_pid must be 0
  return ::fcntl(descriptor, F_OFD_SETLK, &lock) == 0;
}

// Whether the locked file is still the one that has the name: its last holder unlinks it, and cleaners of /tmp do.
bool is_linked(const Folder& folder, const std::string& file, int descriptor) noexcept {
  struct stat locked{};
  struct stat named{};
  return ::fstat(descriptor, &locked) == 0 &&
         ::fstatat(static_cast<int>(folder.handle.native()), file.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

std::string read_text(int descriptor) {
  std::string text(kLongestRecord, '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t count = ::pread(descriptor, text.data() + filled, text.size() - filled, static_cast<off_t>(filled));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    filled += static_cast<std::size_t>(count);
  }
  text.resize(filled);
  return text;
}

// The next line, without its end; taken off `text`.
std::string_view next_line(std::string_view& text) noexcept {
  const auto end = text.find('\n');
  if (end == std::string_view::npos) return std::exchange(text, {});
  const auto line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

std::optional<FileId> parse_socket(std::string_view numbers) {
  unsigned long long device = 0;
  unsigned long long number = 0;
  long long seconds = 0;
  long long nanoseconds = 0;
  const std::string copy{numbers};
  // NOLINTNEXTLINE(cert-err34-c): a number out of range gives an id that no file has
  if (std::sscanf(copy.c_str(), "%llu %llu %lld %lld", &device, &number, &seconds, &nanoseconds) != 4) return std::nullopt;
  return FileId{device, number, seconds, nanoseconds};
}

// The record in a text, its name still encoded; an empty one if the text is not complete.
NameRecord parse(std::string_view text) {
  constexpr std::string_view kName = "name ";
  constexpr std::string_view kObjects = "objects ";
  constexpr std::string_view kSocket = "socket ";
  NameRecord record;
  if (next_line(text) != kFirstLine) return {};
  while (!text.empty()) {
    const auto line = next_line(text);
    if (line == kLastLine) return record;
    if (line.starts_with(kName)) record.plain = line.substr(kName.size());
    if (line.starts_with(kObjects) && line.find('/') == std::string_view::npos && line != "objects -") {
      record.objects = line.substr(kObjects.size());
    }
    if (line.starts_with(kSocket)) record.socket = parse_socket(line.substr(kSocket.size()));
  }
  return {};
}

std::string to_text(const NameRecord& record) {
  std::string text{kFirstLine};
  text += "\nname " + encode(record.plain);
  text += "\nobjects " + (record.objects.empty() ? "-" : record.objects);
  if (record.socket) {
    const FileId& id = *record.socket;
    text += "\nsocket " + std::to_string(id.device) + ' ' + std::to_string(id.number) + ' ' +
            std::to_string(id.changed_seconds) + ' ' + std::to_string(id.changed_nanoseconds);
  }
  text += '\n';
  text += kLastLine;
  text += '\n';
  return text;
}

}  // namespace

NameLock::NameLock(Folder folder, std::string file, links::Descriptor lock, NameRecord found) noexcept
    : folder_(std::move(folder)),
      file_(std::move(file)),
      lock_(std::move(lock)),
      generation_(links::process_generation()),
      found_(std::move(found)) {}

Result<NameLock> NameLock::take(Folder folder, std::string file, std::string_view plain) {
  for (int i = 0; i < kTries; ++i) {
    links::Descriptor lock = open_file(folder, file, O_RDWR | O_CREAT);
    if (!lock) return failure(errno, Step::take_name);
    const int descriptor = static_cast<int>(lock.native());
    if (!lock_whole(descriptor)) {
      if (errno == EAGAIN || errno == EACCES) return Error{Errc::address_in_use, Step::take_name, errno, 0, 0};
      return failure(errno, Step::take_name);
    }
    if (!is_linked(folder, file, descriptor)) continue;
    NameRecord found = parse(read_text(descriptor));
    if (!found.plain.empty() && found.plain != encode(plain)) return Error{Errc::address_in_use, Step::take_name, 0, 0, 0};
    return NameLock{std::move(folder), std::move(file), std::move(lock), std::move(found)};
  }
  return Error{Errc::address_in_use, Step::take_name, 0, 0, 0};
}

NameLock::~NameLock() {
  if (!lock_ || generation_ != links::process_generation()) return;
  // While it is locked: whoever opened it before finds, once it has the lock, that the file has lost its name.
  ::unlinkat(static_cast<int>(folder_.handle.native()), file_.c_str(), 0);
}

Result<void> NameLock::record(const NameRecord& record) {
  const std::string text = to_text(record);
  const int descriptor = static_cast<int>(lock_.native());
  while (true) {
    const ssize_t count = ::pwrite(descriptor, text.data(), text.size(), 0);
    if (count == static_cast<ssize_t>(text.size())) break;
    if (count >= 0) return Error{Errc::limit_reached, Step::take_name, ENOSPC, 0, 0};
    if (errno != EINTR) return failure(errno, Step::take_name);
  }
  // What a longer record leaves stands behind the last line, and is not read; so this may be cut short by a kill.
  if (::ftruncate(descriptor, static_cast<off_t>(text.size())) != 0) return failure(errno, Step::take_name);
  return {};
}

std::optional<std::string> recorded_name(const Folder& folder, const std::string& file) {
  const links::Descriptor opened = open_file(folder, file, O_RDONLY);
  if (!opened) return std::nullopt;
  NameRecord record = parse(read_text(static_cast<int>(opened.native())));
  if (record.plain.empty()) return std::nullopt;
  return std::move(record.plain);
}

}  // namespace sluice::inline v0::os
