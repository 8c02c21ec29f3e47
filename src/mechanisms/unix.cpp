// unix:/path: a stream socket at a path, or under an abstract name, unix:@name. Everything the other mechanisms need a lobby
// for, a Unix socket has of its own: accept, the peer's identity, a hang-up. It stands on os/ for the socket and its name, and
// promises whole streams of bytes, handles with them, and that a name is taken over from the dead and from nobody else.
#include <sys/stat.h>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "links/mechanism.hpp"
#include "os/abstract_socket.hpp"
#include "os/listening_socket.hpp"
#include "os/name_lock.hpp"
#include "os/names.hpp"
#include "os/runtime_folder.hpp"
#include "os/socket_meeting.hpp"

namespace sluice::inline v0::mechanism {
namespace {

// The name behind an '@'; nothing where it is a path.
std::optional<std::string_view> abstract_name(const links::Place& place) {
  if (!place.where.starts_with('@')) return std::nullopt;
  return std::string_view{place.where}.substr(1);
}

// There is no file that could keep others out: who may is told by who they are.
Result<std::unique_ptr<links::Acceptor>> listen_at(std::string_view name, const links::Place& place) {
  const auto address = os::AbstractName::of(name, Step::listen);
  if (!address) return address.error();
  auto socket = os::ListeningSocket::listen(*address);
  if (!socket) return socket.error();
  return os::make_socket_acceptor(*std::move(socket), place.where, place.allow);
}

Result<std::unique_ptr<links::Dialer>> dial_to(std::string_view name, const links::Place& place) {
  auto address = os::AbstractName::of(name, Step::connect);
  if (!address) return address.error();
  return os::make_fileless_dialer([address = *std::move(address)] { return address.connect(); }, place.allow);
}

// What stands for a path in the runtime folder: two paths that lead to one file have one lock.
Result<std::string> identity_of(const os::SocketFile& file) {
  struct stat status{};
  if (::fstat(static_cast<int>(file.folder().handle.native()), &status) != 0)
    return Error{Errc::not_found, Step::take_name, errno, 0, 0};
  return "path:" + std::to_string(status.st_dev) + ':' + std::to_string(status.st_ino) + ':' + file.name();
}

class Unix final : public links::Mechanism {
 public:
  [[nodiscard]] Result<std::unique_ptr<links::Acceptor>> listen(const links::Place& place) const override {
    if (const auto name = abstract_name(place)) return listen_at(*name, place);
    auto file = os::SocketFile::at(place.where, Step::bind_name);
    if (!file) return file.error();
    const auto identity = identity_of(*file);
    if (!identity) return identity.error();
    auto folder = os::open_runtime_folder(os::Missing::make);
    if (!folder) return folder.error();
    auto lock = os::NameLock::take(*std::move(folder), os::short_name("unix", *identity) + ".lock", *identity);
    if (!lock) return lock.error();
    auto socket = os::ListeningSocket::listen(*std::move(file), *std::move(lock), {.plain = *identity}, place.allow);
    if (!socket) return socket.error();
    return os::make_socket_acceptor(*std::move(socket), place.where, place.allow);
  }

  [[nodiscard]] Result<std::unique_ptr<links::Dialer>> dial(const links::Place& place) const override {
    if (const auto name = abstract_name(place)) return dial_to(*name, place);
    return os::make_socket_dialer([path = place.where] { return os::SocketFile::at(path, Step::connect); }, place.allow);
  }

  // Without a name: socketpair(2).
  [[nodiscard]] Result<links::Ends> make_ends(const links::Place& place, std::size_t) const override {
    if (!place.where.empty()) return Error{Errc::invalid_endpoint, Step::inherit, 0, 0, 0};
    return os::make_socket_ends();
  }

  [[nodiscard]] Result<links::Meeting> take_end(std::vector<links::Descriptor> handles,
                                                const links::Place& place) const override {
    return os::take_socket_end(std::move(handles), place.allow);
  }

  [[nodiscard]] Result<std::unique_ptr<links::Acceptor>> adopt_listening(links::Descriptor listening,
                                                                         const links::Place& place) const override {
    return os::adopt_listening_socket(std::move(listening), place.where, place.allow);
  }

  [[nodiscard]] std::string probe_where(std::string_view unique) const override {
    // The folder is made when the lock is taken; the socket's own folder must be there before.
    (void)os::open_runtime_folder(os::Missing::make);
    return os::runtime_folder_path() + "/probe-" + std::string{unique} + ".sock";
  }
};

}  // namespace

const links::Mechanism& unix_mechanism() {
  static const Unix mechanism;
  return mechanism;
}

}  // namespace sluice::inline v0::mechanism
