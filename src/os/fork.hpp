// What a fork does to the library: a channel belongs to the process that made it, so a forked child closes the library's
// descriptors at once (closes them, never unlocks: an unlock would free the parent's lock) and counts up its generation.
// It stands on pthread_atfork(3), registered at the first use. Each copy of the library in a process has a registry of its
// own and looks after its own descriptors. A child of vfork(2), posix_spawn(3) or a bare clone(2) runs no fork handler; there
// close-on-exec does the work. So it does, alone, for a descriptor that another thread was just opening or closing during the
// fork.
#pragma once

namespace sluice::inline v0::os {

// From here on a forked child closes `descriptor`. Any thread.
void register_descriptor(int descriptor) noexcept;

// Must come before the descriptor is closed, or a child could close what a stranger has opened under that number meanwhile.
void unregister_descriptor(int descriptor) noexcept;

}  // namespace sluice::inline v0::os
