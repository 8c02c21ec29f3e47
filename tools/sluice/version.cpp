// The one file that is compiled anew with each commit: commit.hpp is made by commit.cmake at build time.
#include "version.hpp"

#include <fmt/format.h>

#include <sluice/mechanisms.hpp>
#include <sluice/version.hpp>
#include <string_view>

#include "commit.hpp"

namespace tool {

std::string version_text() {
  std::string built_in;
  for (const sluice::MechanismInfo& mechanism : sluice::mechanisms())
    if (mechanism.built_in) built_in += fmt::format(" {}", mechanism.name);
  return fmt::format("sluice {} (commit {})\nmechanisms built in:{}", SLUICE_VERSION, kCommit, built_in);
}

std::string_view built_commit() noexcept { return kCommit; }

}  // namespace tool
