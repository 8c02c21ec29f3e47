// links/system.hpp on Windows.
#include "links/system.hpp"

#include <algorithm>
#include <bit>

#include "os/windows/system_headers.hpp"

// The header of the system's own generator (ntsecapi.h) brings half of Windows' security with it.
extern "C" BOOLEAN NTAPI SystemFunction036(PVOID room, ULONG size);

namespace sluice::inline v0::links {

// "RtlGenRandom": the generator that BCryptGenRandom has by default, without another library to load.
Result<void> random_bytes(std::span<std::byte> room) {
  constexpr std::size_t kAtOnce = std::size_t{1} << 20;
  while (!room.empty()) {
    const auto part = room.first(std::min(room.size(), kAtOnce));
    if (SystemFunction036(part.data(), static_cast<ULONG>(part.size())) == 0) {
      return Error{Errc::not_supported, Step::none, os::last_error(), 0, 0};
    }
    room = room.subspan(part.size());
  }
  return {};
}

// Nothing forks here.
std::uint32_t process_generation() noexcept { return 0; }

// Of this process's group of processors, which has up to 64 ("Processor Groups").
unsigned usable_processors() noexcept {
  DWORD_PTR ours = 0;
  DWORD_PTR all = 0;
  if (::GetProcessAffinityMask(::GetCurrentProcess(), &ours, &all) == 0) return 1;
  // 0: the process has threads in several groups, and says nothing of them.
  return ours == 0 ? all_processors() : static_cast<unsigned>(std::popcount(ours));
}

unsigned all_processors() noexcept {
  return std::max(1U, static_cast<unsigned>(::GetActiveProcessorCount(ALL_PROCESSOR_GROUPS)));
}

std::int64_t coarse_milliseconds() noexcept { return static_cast<std::int64_t>(::GetTickCount64()); }

void wait_for_change(const std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
  static_assert(sizeof word == sizeof value && std::atomic<std::uint32_t>::is_always_lock_free);
  // The system compares the word's bytes; it takes a pointer that it doesn't write through.
  (void)::WaitOnAddress(const_cast<std::atomic<std::uint32_t>*>(&word), &value, sizeof value, INFINITE);
}
void tell_change(std::atomic<std::uint32_t>& word) noexcept { ::WakeByAddressAll(&word); }

std::string_view this_system() noexcept { return "windows"; }

std::int64_t process_id() noexcept { return ::GetCurrentProcessId(); }

}  // namespace sluice::inline v0::links
