#include "os/runtime_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr mode_t kPrivate = S_IRWXU;
constexpr mode_t kPermissions = S_IRWXU | S_IRWXG | S_IRWXO;
constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

enum class From : unsigned char { environment, login, temporary };

struct Candidate {
  std::string path;
  From from;
};

bool is_private(const struct stat& status) noexcept {
  return S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() && (status.st_mode & kPermissions) == kPrivate;
}

Candidate choose() {
  // Not for set-user-ID programs, whose environment is somebody else's word (secure_getenv(3)).
  if (const char* set = ::secure_getenv("SLUICE_RUNTIME_DIR"); set != nullptr && *set != '\0') return {set, From::environment};
  const std::string user = std::to_string(::geteuid());
  std::string login = "/run/user/" + user;
  struct stat status{};
  if (::lstat(login.c_str(), &status) == 0 && is_private(status)) return {std::move(login), From::login};
  return {"/tmp/sluice-" + user, From::temporary};
}

Result<void> check(int folder, From from) {
  struct stat status{};
  if (::fstat(folder, &status) != 0) return failure(errno, Step::find_runtime_folder);
  const bool ours = status.st_uid == ::geteuid();
  const bool closed = from == From::environment ? (status.st_mode & kOthersWrite) == 0 : is_private(status);
  if (ours && closed) return {};
  return Error{Errc::access_denied, Step::find_runtime_folder, 0, static_cast<std::int64_t>(status.st_uid), ::geteuid()};
}

}  // namespace

Result<Folder> open_runtime_folder(Missing missing) {
  Candidate candidate = choose();
  if (missing == Missing::make && ::mkdir(candidate.path.c_str(), kPrivate) != 0 && errno != EEXIST) {
    return failure(errno, Step::find_runtime_folder);
  }
  // The user may put a symbolic link where the environment points; in /tmp anybody could have.
  const int follow = candidate.from == From::environment ? 0 : O_NOFOLLOW;
  links::Descriptor handle{::open(candidate.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | follow)};
  if (!handle) {
    const Error error = failure(errno, Step::find_runtime_folder);
    // ENOTDIR, ELOOP: something else has the name
    if (errno == ENOTDIR || errno == ELOOP) return Error{Errc::access_denied, Step::find_runtime_folder, error.os_code, 0, 0};
    return error;
  }
  if (auto checked = check(static_cast<int>(handle.native()), candidate.from); !checked) return checked.error();
  return Folder{std::move(candidate.path), std::move(handle)};
}

std::string runtime_folder_path() { return choose().path; }

}  // namespace sluice::inline v0::os
