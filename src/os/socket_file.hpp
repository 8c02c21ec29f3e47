// SocketFile: where a Unix socket lies, a name in an open folder. Paths longer than a socket's address (108 bytes, unix(7)) go
// through the folder's descriptor.
#pragma once

#include <string>
#include <string_view>

#include <sluice/options.hpp>
#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "os/name_lock.hpp"
#include "os/runtime_folder.hpp"

namespace sluice::inline v0::os {

class SocketFile {
 public:
  // invalid_endpoint (first: its length, second: the limit): the name itself is longer than an address takes.
  static Result<SocketFile> in(Folder folder, std::string name);
  // Splits a path and opens its folder. not_found: the folder isn't there; invalid_endpoint: no name of a file at the end, a
  // NUL inside. `step` is for errors.
  static Result<SocketFile> at(std::string_view path, Step step);

  [[nodiscard]] const Folder& folder() const noexcept { return folder_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  // Connects a new socket. would_block: the listener's backlog is full, try again after a while. not_found: nobody listens.
  // access_denied: its mode, or a folder's, keeps this user out.
  [[nodiscard]] Result<links::Descriptor> connect() const;

  // Makes the socket's file, with mode 0600 from the start (0666 at the end for `anyone`). address_in_use: the name is taken,
  // by whatever.
  struct Bound {
    links::Descriptor socket;
    FileId id;
  };
  [[nodiscard]] Result<Bound> bind(Allow allow) const;

  // Removes what a dead listener left: a socket of this user that is `ours`, or that refuses connections. Nothing there is
  // success. address_in_use: a live socket, or no socket at all; access_denied: somebody else's. These stay untouched.
  [[nodiscard]] Result<void> clear(const std::optional<FileId>& ours) const;

  // Removes the file if it is still the one that was bound.
  void unlink(const FileId& id) const noexcept;

 private:
  SocketFile(Folder folder, std::string name) noexcept : folder_(std::move(folder)), name_(std::move(name)) {}

  Folder folder_;
  std::string name_;
};

}  // namespace sluice::inline v0::os
