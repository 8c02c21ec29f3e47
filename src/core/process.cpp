// Process: the public class over a child process, and who reaps those that are let go of.
#include <sluice/process.hpp>

#include <array>
#include <atomic>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include "core/api_access.hpp"
#include "core/guarded.hpp"
#include "links/child_process.hpp"
#include "links/system.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0 {

struct core::StartedProcess {
  explicit StartedProcess(links::ChildProcess&& process) noexcept
      : child(std::move(process)), generation(links::process_generation()) {}

  [[nodiscard]] bool is_foreign_process() const noexcept { return links::process_generation() != generation; }
  // How it ended; would_block while it runs. Once it is known it stays so.
  Result<Exit> look() noexcept {
    const std::lock_guard lock(mutex);
    if (!ended) {
      auto reaped = child.reap();
      if (!reaped && reaped.error().code == Errc::would_block) return reaped;
      ended = reaped;
    }
    return *ended;
  }

  const links::ChildProcess child;
  const std::uint32_t generation;  // the process that started it
  std::mutex mutex;                // and so `ended`
  std::optional<Result<Exit>> ended;
  StartedProcess* next{nullptr};  // of those that were let go of
};

namespace {

// Processes that nobody waits for any more and that still ran when they were let go of. A stack: pushed and taken as a whole,
// so that no lock can be held while somebody forks.
template <class Entry>
class Abandoned {
 public:
  void push(Entry* entry) noexcept {
    entry->next = first_.load(std::memory_order_relaxed);  // relaxed: the exchange below says whether it is still right
    // release: pairs with the acquire in sweep(); makes the entry visible
    while (!first_.compare_exchange_weak(entry->next, entry, std::memory_order_release, std::memory_order_relaxed)) {
    }
  }
  // Reaps those that have ended meanwhile.
  void sweep() noexcept {
    // acquire: pairs with the release in push()
    Entry* entry = first_.exchange(nullptr, std::memory_order_acquire);
    while (entry != nullptr) {
      Entry* const next = entry->next;
      const bool is_parents = entry->is_foreign_process();  // a forked child has copies of its parent's, who reaps them
      const auto found = is_parents ? Result<Exit>{Errc::not_found} : entry->look();
      if (!found && found.error().code == Errc::would_block) {
        push(entry);
      } else {
        delete entry;
      }
      entry = next;
    }
  }

 private:
  std::atomic<Entry*> first_{nullptr};
};

}  // namespace

namespace core {
namespace {

template <class Entry>
constinit Abandoned<Entry> abandoned{};

// Its end is near only if it could be killed.
void end_child(const links::ChildProcess& child) noexcept {
  if (child.kill()) child.wait_and_reap();
}

}  // namespace

Result<Process> ApiAccess::process(links::ChildProcess&& child) {
  try {
    return Process{std::make_unique<StartedProcess>(std::move(child))};
  } catch (const std::bad_alloc&) {
    end_child(child);  // NOLINT(bugprone-use-after-move): it is moved only once there is memory for it
    return Error{Errc::out_of_memory, Step::spawn, 0, 0, 0};
  }
}

const links::ChildProcess& ApiAccess::child(const Process& process) noexcept { return process.started_->child; }

void ApiAccess::end(const Process& process) noexcept { end_child(process.started_->child); }

}  // namespace core

Process::Process(std::unique_ptr<core::StartedProcess> started) noexcept : started_(std::move(started)) {
  core::abandoned<core::StartedProcess>.sweep();
}
Process::Process(Process&&) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
  if (this == &other) return *this;
  const Process old{std::move(*this)};
  started_ = std::move(other.started_);
  return *this;
}

Process::~Process() {
  if (!started_ || started_->is_foreign_process()) return;
  if (const auto ended = started_->look(); !ended && ended.error().code == Errc::would_block) {
    core::abandoned<core::StartedProcess>.push(started_.release());
  }
}

std::int64_t Process::id() const noexcept { return started_ ? started_->child.id() : -1; }

Result<Exit> Process::wait(Deadline deadline) {
  return core::guarded(Step::wait, [&]() -> Result<Exit> {
    if (!started_) return core::moved_from(Step::wait);
    if (started_->is_foreign_process()) return Error{Errc::misuse, Step::use_after_fork, 0, 0, 0};
    core::abandoned<core::StartedProcess>.sweep();
    std::optional<links::Waiter> waiter;
    while (true) {
      auto ended = started_->look();
      if (ended || ended.error().code != Errc::would_block) return ended;
      if (deadline.has_passed()) return Error{deadline.is_now() ? Errc::would_block : Errc::timed_out, Step::wait, 0, 0, 0};
      if (!waiter) {
        auto made = links::Waiter::create();
        if (!made) return made.error();
        waiter.emplace(*std::move(made));
        if (auto added = waiter->add(started_->child.waitable(), {.readable = true}, 0); !added) return added.error();
      }
      std::array<links::Ready, 1> ready;
      if (const auto waited = waiter->wait(ready, deadline); !waited) return waited.error();
    }
  });
}

Result<void> Process::kill() {
  if (!started_) return core::moved_from(Step::spawn);
  if (started_->is_foreign_process()) return Error{Errc::misuse, Step::use_after_fork, 0, 0, 0};
  return started_->child.kill();
}

Waitable Process::waitable() const noexcept { return started_ ? started_->child.waitable() : Waitable{}; }

}  // namespace sluice::inline v0
