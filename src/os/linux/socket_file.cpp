// Binding and connecting Unix sockets by path on Linux, where /proc/self/fd/N leads through an open folder (proc(5)).
#include "os/socket_file.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "links/fault.hpp"
#include "os/failure.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr std::size_t kAddressRoom = sizeof(sockaddr_un::sun_path) - 1;  // with the NUL at the end
constexpr std::string_view kDescriptors = "/proc/self/fd/";
constexpr std::size_t kLongestNumber = 10;
constexpr std::size_t kLongestName = kAddressRoom - kDescriptors.size() - kLongestNumber - 1;
constexpr mode_t kOwnOnly = S_IRUSR | S_IWUSR;
constexpr mode_t kEveryone = kOwnOnly | S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH;  // connecting needs the right to write (unix(7))
constexpr mode_t kPermissions = S_IRWXU | S_IRWXG | S_IRWXO;

int number(const links::Descriptor& descriptor) noexcept { return static_cast<int>(descriptor.native()); }

std::string through(const links::Descriptor& handle) { return std::string{kDescriptors} + std::to_string(number(handle)); }

sockaddr_un address_of(const SocketFile& file) noexcept {
  std::string path = file.folder().path + '/' + file.name();
  if (path.size() > kAddressRoom) path = through(file.folder().handle) + '/' + file.name();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

links::Descriptor new_socket() noexcept {
  return links::Descriptor{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
}

bool call_with(int (*call)(int, const sockaddr*, socklen_t), const links::Descriptor& socket,
               const sockaddr_un& address) noexcept {
  return call(number(socket), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

FileId id_of(const struct stat& status) noexcept {
  return {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino),
          static_cast<std::int64_t>(status.st_ctim.tv_sec), static_cast<std::int64_t>(status.st_ctim.tv_nsec)};
}

struct Named {
  links::Descriptor handle;  // of the file itself, whatever it is (O_PATH)
  struct stat status{};
};

// What has the name now; a symbolic link is not followed.
Result<Named> look(const SocketFile& file, Step step) {
  Named named;
  named.handle =
      links::Descriptor{::openat(number(file.folder().handle), file.name().c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
  if (!named.handle || ::fstat(number(named.handle), &named.status) != 0) return failure(errno, step);
  return named;
}

// The socket that was just bound, with the mode that it has to have. bind(2) applies the umask, which can take more than it
// should. Changed through the file's own descriptor: in a folder where others write, the name could be a symbolic link by now.
Result<FileId> finish_bound(const SocketFile& file, mode_t mode) {
  auto named = look(file, Step::bind_name);
  if (!named) return named.error();
  if (!S_ISSOCK(named->status.st_mode) || named->status.st_uid != ::geteuid()) {
    return Error{Errc::access_denied, Step::bind_name, 0, static_cast<std::int64_t>(named->status.st_uid), ::geteuid()};
  }
  if ((named->status.st_mode & kPermissions) != mode) {
    if (::chmod(through(named->handle).c_str(), mode) != 0 || ::fstat(number(named->handle), &named->status) != 0) {
      return failure(errno, Step::bind_name);
    }
  }
  return id_of(named->status);
}

}  // namespace

Result<SocketFile> SocketFile::in(Folder folder, std::string name) {
  if (name.size() > kLongestName) {
    return Error{Errc::invalid_endpoint, Step::bind_name, ENAMETOOLONG, static_cast<std::int64_t>(name.size()), kLongestName};
  }
  return SocketFile{std::move(folder), std::move(name)};
}

Result<SocketFile> SocketFile::at(std::string_view path, Step step) {
  const auto slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == ".." || path.find('\0') != std::string_view::npos) {
    return Error{Errc::invalid_endpoint, step, 0, 0, 0};
  }
  std::string folder{slash == std::string_view::npos ? std::string_view{"."} : path.substr(0, slash)};
  if (folder.empty()) folder = "/";
  links::Descriptor handle{::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!handle) return failure(errno, step);
  return in(Folder{std::move(folder), std::move(handle)}, std::string{name});
}

Result<links::Descriptor> SocketFile::connect() const {
  links::Descriptor socket = new_socket();
  if (!socket) return failure(errno, Step::connect);
  // Non-blocking, it is done at once or fails with EAGAIN: there is nothing to wait for (connect(2)).
  if (call_with(::connect, socket, address_of(*this))) return socket;
  if (errno == EPROTOTYPE) return Error{Errc::protocol_error, Step::connect, errno, 0, 0};  // a socket, but no stream
  return failure(errno, Step::connect);
}

Result<SocketFile::Bound> SocketFile::bind(Allow allow) const {
  links::Descriptor socket = new_socket();
  if (!socket) return failure(errno, Step::bind_name);
  // The file gets the socket's mode (unix(7) is silent; net/unix/af_unix.c, unix_bind_bsd), so it is never open to others.
  if (::fchmod(number(socket), kOwnOnly) != 0 || !call_with(::bind, socket, address_of(*this)))
    return failure(errno, Step::bind_name);
  fault::point("after-bind");
  auto id = finish_bound(*this, allow == Allow::anyone ? kEveryone : kOwnOnly);
  if (!id) return id.error();
  return Bound{std::move(socket), *id};
}

Result<void> SocketFile::clear(const std::optional<FileId>& ours) const {
  auto named = look(*this, Step::bind_name);
  if (!named) return named.error().os_code == ENOENT ? Result<void>{} : Result<void>{named.error()};
  if (!S_ISSOCK(named->status.st_mode)) return Error{Errc::address_in_use, Step::bind_name, EEXIST, 0, 0};
  if (named->status.st_uid != ::geteuid()) {
    return Error{Errc::access_denied, Step::bind_name, 0, static_cast<std::int64_t>(named->status.st_uid), ::geteuid()};
  }
  const FileId id = id_of(named->status);
  if (ours != id) {
    // Only one that refuses is dead: a full backlog (EAGAIN) or another type of socket (EPROTOTYPE) lives.
    const links::Descriptor probe = new_socket();
    if (!probe) return failure(errno, Step::bind_name);
    if (call_with(::connect, probe, address_of(*this)) || errno != ECONNREFUSED) {
      return Error{Errc::address_in_use, Step::bind_name, EADDRINUSE, 0, 0};
    }
  }
  unlink(id);
  return {};
}

void SocketFile::unlink(const FileId& id) const noexcept {
  const auto named = look(*this, Step::none);
  if (!named) return;
  // Not its change time: a chmod doesn't make it somebody else's, and the number is not given out again while its socket lives.
  const FileId now = id_of(named->status);
  if (now.device == id.device && now.number == id.number) ::unlinkat(number(folder_.handle), name_.c_str(), 0);
}

}  // namespace sluice::inline v0::os
