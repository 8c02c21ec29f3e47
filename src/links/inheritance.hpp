// What a process passes on to the programs that it starts, and what it has got from the one that started it: variables and
// handles. Defined once for each system in os/.
#pragma once

#include <optional>
#include <string>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::links {

// Takes a variable out of this process's environment: its value, once, whichever of several threads asks first. Nothing if
// there is none. Other threads must not read the environment meanwhile (getenv(3)).
[[nodiscard]] std::optional<std::string> take_variable(const std::string& name);

// A second handle of an inherited one, as the library holds its own (close-on-exec); `number` stays as it is. misuse
// (Step::inherit): nothing is open there. limit_reached: no descriptors left.
[[nodiscard]] Result<Descriptor> duplicate_inherited(Descriptor::Native number);
// Closes an inherited handle, of which a duplicate is held.
void close_inherited(Descriptor::Native number) noexcept;
// Programs that this process starts don't inherit it any more; it stays open. Nothing for what isn't open, and for a standard
// stream: that is never one that was handed over (beside_standard_streams()), and the programs need it.
void keep_from_programs(Descriptor::Native number) noexcept;

// The same handle under a number that is no standard stream's: there it would take that place in the program that inherits it.
// limit_reached: no descriptors left.
[[nodiscard]] Result<Descriptor> beside_standard_streams(Descriptor handle);

}  // namespace sluice::inline v0::links
