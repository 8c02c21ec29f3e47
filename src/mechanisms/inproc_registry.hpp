// The registry: where the ends of inproc find each other by name, and a region by its token. One for each process, without a
// global constructor; the entries belong to those who made them and are linked in, so that an empty registry holds no memory.
// Two copies of the library have two registries and don't meet.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <sluice/result.hpp>

#include "links/meeting.hpp"
#include "mechanisms/inproc_region.hpp"
#include "mechanisms/inproc_variant.hpp"
#include "os/gate.hpp"

namespace sluice::inline v0::mechanism::inproc {

// A listener's entry. Everything but `name` and `variant` is guarded by Registry::mutex.
struct Rendezvous {
  Rendezvous(std::string name_of, const Variant& variant_of, os::Gate gate) noexcept
      : name(std::move(name_of)), variant(variant_of), arrived(std::move(gate)) {}

  const std::string name;
  const Variant variant;
  std::deque<links::Meeting> waiting;  // connected, not accepted yet
  os::Gate arrived;                    // open while somebody waits
  Rendezvous* next{nullptr};
};

// A region that one side of a meeting has made and the other may take, once. Guarded by Registry::mutex.
struct OfferedRegion {
  std::uint64_t token{0};
  std::uint64_t meeting{0};  // only this meeting's other side may take it
  std::shared_ptr<CommonRegion> region;
  OfferedRegion* next{nullptr};
};

class Registry {
 public:
  explicit Registry(std::uint32_t process) noexcept : process_(process) {}

  // This process's. A forked child gets one of its own: in the parent's copy, locks may be held by threads that aren't there.
  static Registry& instance();

  std::mutex mutex;

  // All of these want the mutex held.
  [[nodiscard]] Rendezvous* find(const std::string& name) noexcept;
  void add(Rendezvous& rendezvous) noexcept;
  void remove(const Rendezvous& rendezvous) noexcept;
  [[nodiscard]] std::uint64_t next_meeting() noexcept { return ++meetings_; }
  void add(OfferedRegion& offered) noexcept;
  void remove(const OfferedRegion& offered) noexcept;
  // Takes a region away from its offer; null if that meeting has no such offer (any more).
  [[nodiscard]] std::shared_ptr<CommonRegion> take(std::uint64_t token, std::uint64_t meeting) noexcept;

 private:
  const std::uint32_t process_;  // links::process_generation() of the process it belongs to
  Rendezvous* rendezvous_{nullptr};
  OfferedRegion* offered_{nullptr};
  std::uint64_t meetings_{0};
};

}  // namespace sluice::inline v0::mechanism::inproc
