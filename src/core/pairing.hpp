// Both ends of a channel in one process.
#pragma once

#include <utility>

#include <sluice/deadline.hpp>
#include <sluice/result.hpp>

#include "core/connecting.hpp"
#include "core/session.hpp"

namespace sluice::inline v0::core {

// Makes the ends together where the mechanism can and no place is named, else listens there (or at a place of its own) and
// connects; then both shake hands in this thread. `listening`: the first is the listener's. Errors as listen() and connect().
using EstablishedPair = std::pair<Established, Established>;
[[nodiscard]] Result<EstablishedPair> make_pair(const Resolved& resolved, Deadline deadline);

// A name that nobody else uses: letters and digits.
[[nodiscard]] std::string unique_name(std::string_view purpose);

}  // namespace sluice::inline v0::core
