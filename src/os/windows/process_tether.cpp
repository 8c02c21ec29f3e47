// The process tether over a process handle, which is signalled from the end of the process on. A process that is merely
// stopped has not ended.
#include "os/process_tether.hpp"

#include <array>
#include <utility>

#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::os {
namespace {

class ProcessTether final : public links::Tether {
 public:
  explicit ProcessTether(links::Descriptor process) noexcept
      : process_(std::move(process)), waitables_{{{process_.native()}}} {}

  [[nodiscard]] std::span<const links::Waitable> waitables() const override { return waitables_; }
  [[nodiscard]] bool is_severed() const override { return is_signalled(to_handle(process_)); }

 private:
  links::Descriptor process_;
  std::array<links::Waitable, 1> waitables_;
};

}  // namespace

std::unique_ptr<links::Tether> tether_to_process(links::Descriptor process) {
  return std::make_unique<ProcessTether>(std::move(process));
}

}  // namespace sluice::inline v0::os
