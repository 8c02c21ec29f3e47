#include "os/handles.hpp"

#include "os/failure.hpp"
#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::os {

Result<links::Descriptor> duplicate(links::Descriptor::Native handle, Step step) {
  HANDLE second = nullptr;
  const HANDLE here = ::GetCurrentProcess();
  if (::DuplicateHandle(here, to_handle(handle), here, &second, 0, FALSE, DUPLICATE_SAME_ACCESS) == 0) {
    return failure(last_error(), step);
  }
  return own(second);
}

}  // namespace sluice::inline v0::os
