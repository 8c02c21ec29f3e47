#include "mechanisms/inproc_registry.hpp"

#include <atomic>

#include "links/system.hpp"

namespace sluice::inline v0::mechanism::inproc {
namespace {

// Made by the first call: a mutex has a constructor that runs where threads are winpthreads' (mingw-w64).
constinit std::atomic<Registry*> current{nullptr};

template <class Entry>
void link_in(Entry*& first, Entry& entry) noexcept {
  entry.next = first;
  first = &entry;
}

template <class Entry>
void link_out(Entry*& first, const Entry& entry) noexcept {
  for (Entry** at = &first; *at != nullptr; at = &(*at)->next) {
    if (*at != &entry) continue;
    *at = entry.next;
    return;
  }
}

}  // namespace

Registry& Registry::instance() {
  const std::uint32_t process = links::process_generation();
  // acquire: pairs with the release of the exchange below; makes a registry visible with its content
  Registry* found = current.load(std::memory_order_acquire);
  while (found == nullptr || found->process_ != process) {
    // The first call here, or in a forked child. What the parent's copy holds is left alone, and no registry is ever freed: it
    // is one small object, and one for each fork that goes on to use inproc.
    auto fresh = std::make_unique<Registry>(process);
    // release: pairs with the loads above and here; acquire: another thread may have been faster
    if (current.compare_exchange_strong(found, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
  }
  return *found;
}

Rendezvous* Registry::find(const std::string& name) noexcept {
  for (Rendezvous* one = rendezvous_; one != nullptr; one = one->next)
    if (one->name == name) return one;
  return nullptr;
}

void Registry::add(Rendezvous& rendezvous) noexcept { link_in(rendezvous_, rendezvous); }
void Registry::remove(const Rendezvous& rendezvous) noexcept { link_out(rendezvous_, rendezvous); }
void Registry::add(OfferedRegion& offered) noexcept { link_in(offered_, offered); }
void Registry::remove(const OfferedRegion& offered) noexcept { link_out(offered_, offered); }

std::shared_ptr<CommonRegion> Registry::take(std::uint64_t token, std::uint64_t meeting) noexcept {
  for (OfferedRegion* one = offered_; one != nullptr; one = one->next) {
    if (one->token == token && one->meeting == meeting) return std::move(one->region);
  }
  return nullptr;
}

}  // namespace sluice::inline v0::mechanism::inproc
