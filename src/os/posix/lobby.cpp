// The files of a place in the runtime folder: NAME.lock, which has the place in full, and NAME.sock. NAME is short_name() of
// the two words, so two places could share it if they are long: the lock's text tells them apart.
#include "os/lobby.hpp"

#include <array>
#include <cstring>
#include <utility>

#include "links/system.hpp"
#include "os/listening_socket.hpp"
#include "os/name_lock.hpp"
#include "os/names.hpp"
#include "os/runtime_folder.hpp"
#include "os/socket_file.hpp"
#include "os/socket_meeting.hpp"

namespace sluice::inline v0::os::lobby {
namespace {

constexpr std::size_t kLongestPlace = 1024;  // well below what a lock's record holds

struct Names {
  std::string plain;
  std::string lock;
  std::string socket;
};

Result<Names> names_of(std::string_view mechanism, const links::Place& place, Step step) {
  if (place.allow != Allow::same_user) return Error{Errc::not_supported, Step::check_options, 0, 0, 0};
  if (place.where.empty() || place.where.size() > kLongestPlace) {
    return Error{Errc::invalid_endpoint, step, 0, static_cast<std::int64_t>(place.where.size()), kLongestPlace};
  }
  const std::string name = short_name(mechanism, place.where);
  return Names{std::string{mechanism} + ':' + place.where, name + ".lock", name + ".sock"};
}

// A name for objects of the system that nobody can have made before us.
Result<std::string> new_objects_name() {
  std::array<std::byte, sizeof(std::uint64_t)> bytes{};
  if (auto filled = links::random_bytes(bytes); !filled) return filled.error();
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data(), bytes.size());
  return "sluice-" + hexadecimal(number);
}

Result<SocketFile> locate(const Names& names) {
  auto folder = open_runtime_folder(Missing::tell);
  // Without a folder nobody listens.
  if (!folder && folder.error().code == Errc::not_found)
    return Error{Errc::not_found, Step::connect, folder.error().os_code, 0, 0};
  if (!folder) return folder.error();
  // Somebody else's place that has the same short name is not the one that is looked for.
  const auto recorded = recorded_name(*folder, names.lock);
  if (recorded && *recorded != encode(names.plain)) return Error{Errc::not_found, Step::connect, 0, 0, 0};
  return SocketFile::in(*std::move(folder), names.socket);
}

}  // namespace

Result<std::unique_ptr<links::Acceptor>> listen(std::string_view mechanism, const links::Place& place, Guest guest) {
  auto names = names_of(mechanism, place, Step::listen);
  if (!names) return names.error();
  auto folder = open_runtime_folder(Missing::make);
  if (!folder) return folder.error();
  auto lock = NameLock::take(*std::move(folder), names->lock, names->plain);
  if (!lock) return lock.error();
  if (const std::string& left = lock->found().objects; !left.empty()) guest.sweep(left);
  auto objects = new_objects_name();
  if (!objects) return objects.error();
  auto again = open_runtime_folder(Missing::tell);
  if (!again) return again.error();
  auto file = SocketFile::in(*std::move(again), names->socket);
  if (!file) return file.error();
  auto socket =
      ListeningSocket::listen(*std::move(file), *std::move(lock), {.plain = names->plain, .objects = *objects}, place.allow);
  if (!socket) return socket.error();
  return make_socket_acceptor(
      *std::move(socket), place.where, place.allow,
      {[make_link = std::move(guest.make_link), objects = *std::move(objects)] { return make_link(objects); },
       guest.carries == Carries::handles});
}

Result<std::unique_ptr<links::Dialer>> dial(std::string_view mechanism, const links::Place& place,
                                            std::function<std::unique_ptr<links::PrivateLink>()> make_link, Carries carries) {
  auto names = names_of(mechanism, place, Step::connect);
  if (!names) return names.error();
  return make_socket_dialer([names = *std::move(names)] { return locate(names); }, place.allow,
                            {std::move(make_link), carries == Carries::handles});
}

}  // namespace sluice::inline v0::os::lobby
