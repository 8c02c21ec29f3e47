// The folder store on POSIX. A file is made with O_EXCL and mode 0600 under a temporary name, and gets its name by link(2),
// which fails if the name is taken: there is no moment in between. The folder is held open, so that it may be moved meanwhile.
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <random>

#include "posix/file.hpp"
#include "store.hpp"

namespace tool {

namespace {

using posix::File;

// What the signal handler removes: of each store the one file that it is writing. The name is set before the folder.
constexpr std::size_t kTemporaryRoom = 64;
struct Temporary {
  std::array<char, kTemporaryRoom> name{};
  std::atomic<int> folder{-1};
  std::atomic<bool> taken{false};  // by a store
};
std::array<Temporary, kMostStores> temporaries{};
static_assert(std::atomic<int>::is_always_lock_free);  // or a signal handler may not touch it (C++ [support.signal])

// One that no store has; null: there are kMostStores already.
Temporary* take_temporary() noexcept {
  for (Temporary& one : temporaries)
    if (!one.taken.exchange(true)) return &one;
  return nullptr;
}

// unlinkat(2) and raise(3) are safe in a signal handler (signal-safety(7)). SA_RESETHAND has restored the default action, which
// ends the process as soon as the handler returns: whoever waits for it sees the signal.
extern "C" void remove_temporary(int signal) {
  for (const Temporary& one : temporaries) {
    const int folder = one.folder.load();
    if (folder >= 0) ::unlinkat(folder, one.name.data(), 0);
  }
  (void)std::raise(signal);
}

void remove_temporary_on_signals() {
  struct sigaction action{};
  action.sa_handler = remove_temporary;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before{};
    // What the parent has ignored (nohup, a background job) stays ignored.
    if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_DFL) ::sigaction(signal, &action, nullptr);
  }
}

// There is no way to read the umask but to set it (umask(2)): once, by the first store, when no other thread makes files.
mode_t mode_of_new_files() {
  static const mode_t mode = [] {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    return static_cast<mode_t>((S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH) & ~mask);
  }();
  return mode;
}

class FolderStore final : public Store {
 public:
  FolderStore(File folder, std::string path, bool replace, Temporary& temporary)
      : folder_(std::move(folder)),
        path_(std::move(path)),
        replace_(replace),
        mode_(mode_of_new_files()),
        temporary_(temporary) {
    remove_temporary_on_signals();
    (void)std::signal(SIGXFSZ,
                      SIG_IGN);  // a file beyond the limit is an answer to the sender (EFBIG), not our end (setrlimit(2))
  }
  ~FolderStore() override {
    FolderStore::discard();
    temporary_.taken.store(false);
  }

  std::expected<void, Refusal> begin(std::string_view name) override;
  std::expected<void, Refusal> write(std::span<const std::byte> bytes) override;
  std::expected<void, Refusal> keep() override;
  void discard() noexcept override;

 private:
  [[nodiscard]] int make_temporary();
  [[nodiscard]] int publish() const;
  [[nodiscard]] std::unexpected<Refusal> cannot_write(int code) const;
  [[nodiscard]] std::unexpected<Refusal> exists() const;

  File folder_;
  std::string path_;
  bool replace_;
  mode_t mode_;
  Temporary& temporary_;
  std::string name_;
  File file_;
};

std::expected<void, Refusal> FolderStore::begin(std::string_view name) {
  discard();
  name_ = name;
  // Only to spare the way: what counts is publish().
  struct stat there{};
  if (!replace_ && ::fstatat(folder_.get(), name_.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) return exists();
  if (const int code = make_temporary()) return cannot_write(code);
  return {};
}

std::expected<void, Refusal> FolderStore::write(std::span<const std::byte> bytes) {
  if (const int code = posix::write_all(file_.get(), bytes)) return cannot_write(code);
  return {};
}

std::expected<void, Refusal> FolderStore::keep() {
  int code = ::fchmod(file_.get(), mode_) == 0 ? 0 : errno;
  if (code == 0) code = file_.close();
  if (code == 0) code = publish();
  discard();
  if (code == EEXIST && !replace_) return exists();
  if (code != 0) return cannot_write(code);
  return {};
}

void FolderStore::discard() noexcept {
  (void)file_.close();
  // A rename has taken the temporary name away already; then this finds nothing.
  if (temporary_.folder.exchange(-1) >= 0) ::unlinkat(folder_.get(), temporary_.name.data(), 0);
}

// Makes and opens the temporary file: 0, or the errno.
int FolderStore::make_temporary() {
  constexpr int kAttempts = 16;  // of 64 random bits each: a second one is needed by nobody but an attacker
  std::random_device random;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::uint64_t number = std::uint64_t{random()} << 32 | random();
    *fmt::format_to_n(temporary_.name.data(), kTemporaryRoom - 1, ".sluice-{:016x}.part", number).out = '\0';
    file_ = File(::openat(folder_.get(), temporary_.name.data(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (file_.is_open()) {
      temporary_.folder.store(folder_.get());
      return 0;
    }
    if (errno != EEXIST) return errno;
  }
  return EEXIST;
}

// Gives the finished file its name: 0, or the errno; EEXIST if the name is taken and may not be replaced.
int FolderStore::publish() const {
  const int folder = folder_.get();
  const char* const temporary = temporary_.name.data();
  if (replace_) return ::renameat(folder, temporary, folder, name_.c_str()) == 0 ? 0 : errno;
  if (::linkat(folder, temporary, folder, name_.c_str(), 0) == 0) return 0;
  if (errno == EEXIST) return EEXIST;
  // A file system without links (FAT): takes the name by O_EXCL, then renames over this empty file of ours.
  const File taken(::openat(folder, name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!taken.is_open()) return errno;
  return ::renameat(folder, temporary, folder, name_.c_str()) == 0 ? 0 : errno;
}

std::unexpected<Refusal> FolderStore::cannot_write(int code) const {
  return std::unexpected(Refusal{transfer::Reason::write, fmt::format("can't write it to {}: {}", path_, system_text(code))});
}

std::unexpected<Refusal> FolderStore::exists() const {
  return std::unexpected(Refusal{transfer::Reason::exists,
                                 fmt::format("there is one of that name in {} already; `receive --force` replaces it", path_)});
}

}  // namespace

std::expected<std::unique_ptr<Store>, Failure> make_folder_store(const std::string& folder, bool replace) {
  File opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open())
    return std::unexpected(
        Failure{Exit::failed,
                fmt::format("can't open the folder {}: {}; make it, or name another with --into", folder, system_text(errno))});
  Temporary* const temporary = take_temporary();
  if (temporary == nullptr) return std::unexpected(Failure{Exit::failed, "too many senders write to the folder " + folder});
  return std::make_unique<FolderStore>(std::move(opened), folder, replace, *temporary);
}

}  // namespace tool
