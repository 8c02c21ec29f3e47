#include "unit/waitables.hpp"

#include <gtest/gtest.h>

#include "os/windows/system_headers.hpp"

namespace sluice_test {

using namespace sluice;

bool is_readable(Waitable waitable, std::chrono::milliseconds patience) {
  return ::WaitForSingleObject(os::to_handle(waitable.native), static_cast<DWORD>(patience.count())) == WAIT_OBJECT_0;
}

struct Lamp::Ends {
  links::Descriptor event;
};

Lamp::Lamp() : ends_(std::make_unique<Ends>(os::own(::CreateEventW(nullptr, TRUE, FALSE, nullptr)))) {
  if (!ends_->event) ADD_FAILURE() << "CreateEvent";
}
Lamp::~Lamp() = default;
Handle::Native Lamp::handle() const { return ends_->event.native(); }
void Lamp::light(Handle::Native handle) { EXPECT_TRUE(::SetEvent(os::to_handle(handle))); }
Waitable Lamp::waitable() const { return {ends_->event.native()}; }

}  // namespace sluice_test
