// Whether this is Windows, or Wine: what Wine accepts without doing it is told, and not relied upon.
#pragma once

namespace sluice::inline v0::os {

[[nodiscard]] bool is_wine() noexcept;

}  // namespace sluice::inline v0::os
