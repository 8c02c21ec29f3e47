// links::Waiter over WaitForMultipleObjects: all handles and the waiter's own event are waited for together. That takes 64 at
// most, and tells nobody else; so beyond that, and once somebody has asked for waitable(), the handles are forwarded into the
// event by the system's thread pool (CreateThreadpoolWait, which fires once and is armed anew when what has fired is over).
//
// The event has manual reset, and is set while there was a wake-up or a forwarded handle may be ready. What a wait changes
// (an event with automatic reset, a semaphore, a mutex) can't be waited for level-triggered.
#include "links/waiter.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <new>
#include <vector>

#include "links/descriptor.hpp"
#include "os/failure.hpp"
#include "os/windows/source.hpp"
#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::links {
namespace {

constexpr std::size_t kHandlesAtOnce = MAXIMUM_WAIT_OBJECTS;  // 64, one of which is the waiter's event
constexpr std::size_t kHandlesOfEntry = 3;

struct HandleList {
  std::array<HANDLE, kHandlesOfEntry> handles{};
  std::size_t count{0};

  void add(HANDLE handle) noexcept { handles[count++] = handle; }
  [[nodiscard]] std::span<const HANDLE> all() const noexcept { return {handles.data(), count}; }
};

// What is waited for at a waitable.
HandleList handles_of(Waitable waitable, Interest interest) noexcept {
  HandleList list;
  if (interest == Interest{}) return list;
  const auto* const source = os::source_of(waitable);
  if (source == nullptr) {
    list.add(os::to_handle(waitable.native));
    return list;
  }
  const auto signals = source->signals();
  list.add(signals.activity);
  if (interest.readable) list.add(signals.readable);
  if (interest.writable) list.add(signals.writable);
  return list;
}

// Which of the wanted directions are ready now.
Interest look_at(Waitable waitable, Interest interest) noexcept {
  if (interest == Interest{}) return {};
  auto* const source = os::source_of(waitable);
  if (source == nullptr) return os::is_signalled(os::to_handle(waitable.native)) ? interest : Interest{};
  const Interest ready = source->look();
  return {.readable = ready.readable && interest.readable, .writable = ready.writable && interest.writable};
}

// In whole milliseconds, never less than what remains; INFINITE for never: an idle channel sleeps without a time-out.
DWORD milliseconds_until(Deadline deadline) noexcept {
  if (deadline.is_never()) return INFINITE;
  const auto remaining = std::chrono::ceil<std::chrono::milliseconds>(deadline.remaining()).count();
  return static_cast<DWORD>(std::min<decltype(remaining)>(remaining, INFINITE - 1));
}

}  // namespace

struct Waiter::Set {
  struct Entry;
  // One handle of an entry, waited for by the thread pool.
  struct Forward {
    Entry* entry{nullptr};
    PTP_WAIT wait{nullptr};
    HANDLE handle{nullptr};
  };
  struct Entry {
    Set* set{nullptr};
    Waitable waitable;
    Interest interest;
    std::uint64_t key{0};
    HandleList handles;
    std::array<Forward, kHandlesOfEntry> forwards{};
    bool is_hot{true};       // may be ready, as far as its forwards know
    bool is_stopped{false};  // they are to be armed no more
  };

  explicit Set(Descriptor own_event) noexcept : event(std::move(own_event)) {}

  [[nodiscard]] HANDLE event_handle() const noexcept { return os::to_handle(event); }
  [[nodiscard]] bool is_few() const noexcept { return handle_count < kHandlesAtOnce; }
  std::vector<std::unique_ptr<Entry>>::iterator find(Waitable waitable) noexcept {
    return std::ranges::find_if(entries, [&](const auto& entry) { return entry->waitable == waitable; });
  }

  Entry* entry_of(Waitable waitable) noexcept {
    const std::lock_guard lock(mutex);
    const auto found = find(waitable);
    return found == entries.end() ? nullptr : found->get();
  }

  void forward(Entry& entry) noexcept;
  void stop_forwarding(Entry& entry) noexcept;
  void start_forwarding() noexcept;
  void take_in(Entry& entry) noexcept;
  void begin_round();
  void end_round() noexcept;
  std::size_t look(std::span<Ready> ready) noexcept;
  void cool_down(Entry& entry) noexcept;
  [[nodiscard]] Result<void> sleep(DWORD milliseconds) noexcept;
  void leave_waits(std::unique_lock<std::mutex>& lock) noexcept;

  Descriptor event;
  std::atomic<bool> is_woken{false};

  std::mutex mutex;  // all of the below; in a round its own thread only reads it
  std::condition_variable round_ended;
  std::vector<std::unique_ptr<Entry>> entries;
  std::size_t handle_count{1};  // with the event
  bool is_forwarding{false};
  bool is_in_round{false};
  std::uint64_t rounds{0};
  std::vector<Entry*> listed;   // in this round: what it looks at …
  std::vector<HANDLE> awaited;  // … and sleeps for
};

void Waiter::DropSet::operator()(Set* set) const noexcept {
  for (auto& entry : set->entries) set->stop_forwarding(*entry);
  delete set;
}

// ---- forwarding ----------------------------------------------------------------------------------------------------------

namespace {

// In the thread pool: one of a set's handles was signalled. Who has looked meanwhile may have made an end of it: then nobody is
// told, and the next signal is waited for.
template <class Forward>
void CALLBACK on_signalled(PTP_CALLBACK_INSTANCE, void* context, PTP_WAIT wait, TP_WAIT_RESULT) {
  const auto& forward = *static_cast<Forward*>(context);
  auto& entry = *forward.entry;
  const std::lock_guard lock(entry.set->mutex);
  if (entry.is_stopped) return;
  if (!os::is_signalled(forward.handle)) {
    ::SetThreadpoolWait(wait, forward.handle, nullptr);
    return;
  }
  entry.is_hot = true;
  (void)::SetEvent(entry.set->event_handle());
}

}  // namespace

// Arms a wait for each handle, once. Where the system has no memory for it the entry stays hot: then the event stays set, and
// whoever waits looks again and again, but misses nothing.
void Waiter::Set::forward(Entry& entry) noexcept {
  entry.is_stopped = false;
  for (std::size_t i = 0; i < entry.handles.count; ++i) {
    Forward& forward = entry.forwards[i];
    forward.entry = &entry;
    forward.handle = entry.handles.handles[i];
    if (forward.wait == nullptr) forward.wait = ::CreateThreadpoolWait(on_signalled<Forward>, &forward, nullptr);
    if (forward.wait != nullptr) ::SetThreadpoolWait(forward.wait, forward.handle, nullptr);
  }
}

// Not under the mutex, for which a callback that runs may wait.
void Waiter::Set::stop_forwarding(Entry& entry) noexcept {
  {
    const std::lock_guard lock(mutex);
    entry.is_stopped = true;
  }
  for (Forward& forward : entry.forwards) {
    if (forward.wait == nullptr) continue;
    ::SetThreadpoolWait(forward.wait, nullptr, nullptr);
    ::WaitForThreadpoolWaitCallbacks(forward.wait, TRUE);
    ::CloseThreadpoolWait(forward.wait);
    forward.wait = nullptr;
  }
}

// From here on the event tells of all handles. Wants the mutex.
void Waiter::Set::start_forwarding() noexcept {
  if (std::exchange(is_forwarding, true)) return;
  for (auto& entry : entries) {
    entry->is_hot = true;
    forward(*entry);
  }
  (void)::SetEvent(event_handle());
}

// What is waited for at an entry, new or changed, counts from now on. Wants the mutex.
void Waiter::Set::take_in(Entry& entry) noexcept {
  handle_count += entry.handles.count;
  if (is_forwarding) {
    forward(entry);
    (void)::SetEvent(event_handle());  // it may be ready
  } else if (!is_few()) {
    start_forwarding();
  }
}

// Not ready any more, or told: the next signal is forwarded again, or this one if it stays. Wants the mutex.
void Waiter::Set::cool_down(Entry& entry) noexcept {
  bool is_armed = true;
  for (std::size_t i = 0; i < entry.handles.count; ++i) is_armed = is_armed && entry.forwards[i].wait != nullptr;
  if (!is_armed) return;
  entry.is_hot = false;  // before it is armed: what is signalled by then makes it hot again
  for (std::size_t i = 0; i < entry.handles.count; ++i) {
    ::SetThreadpoolWait(entry.forwards[i].wait, entry.forwards[i].handle, nullptr);
  }
}

// ---- rounds --------------------------------------------------------------------------------------------------------------

// A round is a look, or a sleep and what ended it. In between nobody holds on to anything that remove() takes away.
void Waiter::Set::begin_round() {
  const std::lock_guard lock(mutex);
  listed.clear();
  awaited.clear();
  awaited.push_back(event_handle());
  const bool is_all = is_few();
  for (const auto& entry : entries) {
    if (!is_all && !entry->is_hot) continue;
    listed.push_back(entry.get());
    if (is_all) awaited.insert(awaited.end(), entry->handles.all().begin(), entry->handles.all().end());
  }
  is_in_round = true;
}

void Waiter::Set::end_round() noexcept {
  const std::lock_guard lock(mutex);
  is_in_round = false;
  ++rounds;
  round_ended.notify_all();
}

// Who removes something has to know that the round which may have listed it is over.
void Waiter::Set::leave_waits(std::unique_lock<std::mutex>& lock) noexcept {
  if (!is_in_round) return;
  const std::uint64_t this_round = rounds;
  (void)::SetEvent(event_handle());
  round_ended.wait(lock, [&] { return rounds != this_round; });
}

std::size_t Waiter::Set::look(std::span<Ready> ready) noexcept {
  std::size_t count = 0;
  // Reset before the look at the word: a wake-up that comes in between sets it again, which is one in vain.
  if (os::is_signalled(event_handle())) (void)::ResetEvent(event_handle());
  // acquire: pairs with the release in wake()
  if (!ready.empty() && is_woken.exchange(false, std::memory_order_acquire)) ready[count++] = {.key = kWoken, .readable = true};
  for (Entry* const entry : listed) {
    const Interest found = count == ready.size() ? entry->interest : look_at(entry->waitable, entry->interest);
    const bool is_told = found != Interest{} && count != ready.size();
    if (is_told) ready[count++] = {entry->key, found.readable, found.writable};
    // What is told is over soon, mostly: the event is set again if it isn't, and not left set in case.
    const std::lock_guard lock(mutex);
    if (is_forwarding && entry->is_hot && (found == Interest{} || (is_told && is_few()))) cool_down(*entry);
  }
  const std::lock_guard lock(mutex);
  if (is_forwarding && std::ranges::any_of(entries, [](const auto& entry) { return entry->is_hot; })) {
    (void)::SetEvent(event_handle());
  }
  return count;
}

// A handle that was closed while it is registered is told, rather than looked at for ever.
Result<void> Waiter::Set::sleep(DWORD milliseconds) noexcept {
  const bool is_alone = awaited.size() == 1 || awaited.size() > kHandlesAtOnce;
  const DWORD woken = is_alone
                          ? ::WaitForSingleObject(event_handle(), milliseconds)
                          : ::WaitForMultipleObjects(static_cast<DWORD>(awaited.size()), awaited.data(), FALSE, milliseconds);
  if (woken == WAIT_FAILED) return os::failure(os::last_error(), Step::wait);
  return {};
}

// ---- Waiter --------------------------------------------------------------------------------------------------------------

Result<Waiter> Waiter::create() {
  Descriptor event = os::own(::CreateEventW(nullptr, TRUE, FALSE, nullptr));
  if (!event) return os::failure(os::last_error(), Step::make_waiter);
  OwnedSet set{new (std::nothrow) Set{std::move(event)}};
  if (!set) return Error{Errc::out_of_memory, Step::make_waiter, 0, 0, 0};
  return Waiter{std::move(set)};
}

Result<void> Waiter::add(Waitable waitable, Interest interest, std::uint64_t key) {
  if (!waitable) return Error{Errc::misuse, Step::make_waiter, ERROR_INVALID_HANDLE, 0, 0};
  auto entry = std::make_unique<Set::Entry>();
  entry->set = set_.get();
  entry->waitable = waitable;
  entry->interest = interest;
  entry->key = key;
  entry->handles = handles_of(waitable, interest);
  const std::lock_guard lock(set_->mutex);
  set_->entries.push_back(std::move(entry));
  set_->take_in(*set_->entries.back());
  return {};
}

Result<void> Waiter::modify(Waitable waitable, Interest interest, std::uint64_t key) {
  Set::Entry* const found = set_->entry_of(waitable);
  if (found == nullptr) return Error{Errc::misuse, Step::make_waiter, ERROR_INVALID_HANDLE, 0, 0};
  Set::Entry& entry = *found;  // stays: only what is something else may be removed by another thread meanwhile
  set_->stop_forwarding(entry);
  const std::lock_guard lock(set_->mutex);
  set_->handle_count -= entry.handles.count;
  entry.interest = interest;
  entry.key = key;
  entry.handles = handles_of(waitable, interest);
  entry.is_hot = true;
  set_->take_in(entry);
  return {};
}

void Waiter::remove(Waitable waitable) noexcept {
  std::unique_ptr<Set::Entry> removed;
  {
    std::unique_lock lock(set_->mutex);
    const auto found = set_->find(waitable);
    if (found == set_->entries.end()) return;
    removed = std::move(*found);
    set_->entries.erase(found);
    set_->handle_count -= removed->handles.count;
    set_->leave_waits(lock);
  }
  set_->stop_forwarding(*removed);
}

Result<std::size_t> Waiter::wait(std::span<Ready> ready, Deadline deadline) {
  while (true) {
    set_->begin_round();
    const std::size_t count = set_->look(ready);
    const bool is_over = count != 0 || deadline.has_passed();
    Result<void> slept;
    if (!is_over) slept = set_->sleep(milliseconds_until(deadline));
    set_->end_round();
    if (is_over) return count;
    if (!slept) return slept.error();
  }
}

Waitable Waiter::waitable() const noexcept {
  const std::lock_guard lock(set_->mutex);
  set_->start_forwarding();
  return {set_->event.native()};
}

void Waiter::wake() noexcept {
  // release: pairs with the acquire in look(); what was changed before the wake-up is seen by whoever it wakes
  set_->is_woken.store(true, std::memory_order_release);
  (void)::SetEvent(set_->event_handle());
}

}  // namespace sluice::inline v0::links
