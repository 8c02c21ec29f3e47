// The runtime folder: where listeners' locks and the lobby's sockets lie. Every process of a user finds the same one:
//
//   $SLUICE_RUNTIME_DIR     if set; it must belong to this user, and nobody else may write in it
//   /run/user/UID           if it is this user's, with mode 0700 (pam_systemd(8) makes it)
//   /tmp/sluice-UID         made with mode 0700; its owner, mode and type are checked, for anybody can make names in /tmp
#pragma once

#include <string>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::os {

// An open folder, and the path by which it was found.
struct Folder {
  std::string path;
  links::Descriptor handle;  // for the calls that end in "at"
};

enum class Missing : bool { make, tell };

// access_denied (Step::find_runtime_folder): it is somebody else's or open to others. not_found: it isn't there, and isn't to
// be made.
[[nodiscard]] Result<Folder> open_runtime_folder(Missing missing);

// Its path, whether it is there or not.
[[nodiscard]] std::string runtime_folder_path();

}  // namespace sluice::inline v0::os
