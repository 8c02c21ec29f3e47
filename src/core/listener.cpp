#include "core/listener.hpp"

#include <array>
#include <chrono>
#include <utility>

#include "links/system.hpp"

namespace sluice::inline v0::core {
namespace {

constexpr std::chrono::seconds kHandshakeLimit{10};  // a client that is silent for so long is dropped
constexpr std::size_t kMaxHalfOpen = 256;            // the oldest goes when another comes
constexpr std::size_t kAcceptedAtOnce = 32;          // then the others get their turn
constexpr std::size_t kReadyAtOnce = 64;
constexpr std::uint64_t kAcceptorKey = 0;

}  // namespace

Result<std::unique_ptr<ListenerCore>> ListenerCore::create(std::string_view endpoint, const Options& options) {
  const auto resolved = resolve(endpoint, options);
  if (!resolved) return resolved.error();
  auto waiter = links::Waiter::create();
  if (!waiter) return waiter.error();
  const Trace& trace = resolved->limits.trace;
  auto acceptor = resolved->listen(endpoint);
  if (!acceptor) {
    trace.note("failed", [&] { return describe(acceptor.error()); });
    return acceptor.error();
  }
  trace.note("listening", [&] { return "at " + (*acceptor)->where(); });
  return std::unique_ptr<ListenerCore>(new ListenerCore(*resolved, *std::move(acceptor), *std::move(waiter)));
}

Result<std::unique_ptr<ListenerCore>> ListenerCore::adopt(links::Descriptor listening, std::string_view endpoint,
                                                          const Options& options) {
  const auto resolved = resolve(endpoint, options);
  if (!resolved) return resolved.error();
  auto waiter = links::Waiter::create();
  if (!waiter) return waiter.error();
  auto acceptor = resolved->mechanism.adopt_listening(std::move(listening), resolved->place);
  if (!acceptor) return acceptor.error();
  return std::unique_ptr<ListenerCore>(new ListenerCore(*resolved, *std::move(acceptor), *std::move(waiter)));
}

ListenerCore::ListenerCore(const Resolved& resolved, std::unique_ptr<links::Acceptor> acceptor, links::Waiter waiter)
    : row_(resolved.row),
      limits_(resolved.limits),
      generation_(links::process_generation()),
      endpoint_(to_text(resolved.row.name, acceptor->where())),
      waiter_(std::move(waiter)),
      acceptor_(std::move(acceptor)) {}

ListenerCore::~ListenerCore() {
  if (is_foreign_process()) return;
  membership_.leave();
  close();
}

bool ListenerCore::is_foreign_process() const noexcept { return links::process_generation() != generation_; }

class ListenerCore::Turn {
 public:
  explicit Turn(ListenerCore& listener) noexcept : listener_(listener) {
    if (listener.is_foreign_process()) {
      refusal_ = Error{Errc::misuse, Step::use_after_fork, 0, 0, 0};
    } else if (listener.accepting_.exchange(true, std::memory_order_acquire)) {  // acquire: pairs with the release below
      refusal_ = Error{Errc::misuse, Step::accept, 0, 0, 0};
    }
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (!refusal_) listener_.accepting_.store(false, std::memory_order_release);  // release: pairs with the acquire above
  }
  [[nodiscard]] const std::optional<Error>& refusal() const noexcept { return refusal_; }

 private:
  ListenerCore& listener_;
  std::optional<Error> refusal_;
};

Result<links::Waitable> ListenerCore::waitable() {
  if (is_foreign_process()) return Error{Errc::misuse, Step::use_after_fork, 0, 0, 0};
  return waiter_.waitable();
}

Result<bool> ListenerCore::arm() {
  const Turn turn{*this};
  if (turn.refusal()) return *turn.refusal();
  // It takes back what has made the waitable readable; what comes later makes it so again.
  std::array<links::Ready, kReadyAtOnce> ready;
  const auto count = waiter_.wait(ready, Deadline::now());
  if (!count) return count.error();
  const std::lock_guard lock(mutex_);
  if (closing_.load(std::memory_order_seq_cst)) return true;
  const auto moved = move_clients({ready.data(), *count});
  if (!moved && ready_.empty()) return moved.error();
  return !ready_.empty();
}

Result<std::unique_ptr<Session>> ListenerCore::accept(Deadline deadline) {
  const Turn turn{*this};
  if (turn.refusal()) return *turn.refusal();
  return accept_in_turn(deadline);
}

Result<std::unique_ptr<Session>> ListenerCore::accept_in_turn(Deadline deadline) {
  std::array<links::Ready, kReadyAtOnce> ready;
  std::size_t ready_count = 0;
  while (true) {
    Deadline wake_up = deadline;
    {
      const std::lock_guard lock(mutex_);
      if (closing_.load(std::memory_order_seq_cst)) return Error{Errc::closed, Step::accept, 0, 0, 0};
      const auto moved = move_clients({ready.data(), ready_count});
      if (!ready_.empty()) {
        Established next = std::move(ready_.front());
        ready_.pop_front();                   // first: memory may be refused
        if (!ready_.empty()) waiter_.wake();  // for an event loop: no descriptor tells of these any more
        return std::make_unique<Session>(std::move(next));
      }
      if (!moved) return moved.error();
      if (!half_open_.empty()) wake_up = wake_up.or_earlier(half_open_.front().deadline);
    }
    if (interrupted_.exchange(false, std::memory_order_seq_cst)) return Error{Errc::interrupted, Step::accept, 0, 0, 0};
    if (deadline.has_passed()) return Error{deadline.is_now() ? Errc::would_block : Errc::timed_out, Step::accept, 0, 0, 0};
    const auto count = waiter_.wait(ready, wake_up);
    if (!count) return count.error();
    ready_count = *count;
  }
}

// ---- clients -------------------------------------------------------------------------------------------------------------

Result<void> ListenerCore::move_clients(std::span<const links::Ready> ready) {
  step_ready(ready);
  auto taken = take_new_clients();
  drop_late_clients();
  return taken;
}

Result<void> ListenerCore::take_new_clients() {
  if (!acceptor_watched_) {
    if (auto added = waiter_.add(acceptor_->waitable(), {.readable = true}, kAcceptorKey); !added) return added;
    acceptor_watched_ = true;
  }
  for (std::size_t i = 0; i < kAcceptedAtOnce; ++i) {
    auto meeting = acceptor_->accept();
    if (!meeting) {
      if (meeting.error().code == Errc::would_block) return {};
      // No descriptors left: who has been at it longest gives its own back first.
      if (meeting.error().code != Errc::limit_reached || half_open_.empty()) return meeting.error();
      give_up(half_open_.begin());
      continue;
    }
    if (half_open_.size() >= kMaxHalfOpen) give_up(half_open_.begin());
    half_open_.push_back({next_key_++,
                          Handshake{Handshake::Role::listening, *std::move(meeting), row_, limits_},
                          Deadline{kHandshakeLimit},
                          {}});
    step(std::prev(half_open_.end()));
  }
  return {};
}

void ListenerCore::step_ready(std::span<const links::Ready> ready) {
  for (const auto& one : ready) {
    for (auto client = half_open_.begin(); client != half_open_.end(); ++client) {
      if (client->key != one.key) continue;
      step(client);
      break;
    }
  }
}

// Moves one handshake on; false if that was its end. What goes wrong with it is the client's own business.
bool ListenerCore::step(Client client) {
  auto established = client->handshake.step();
  bool goes_on = !established && established.error().code == Errc::would_block;
  if (!established && !goes_on) limits_.trace.note("refused", [&] { return describe(established.error()); });
  if (established) ready_.push_back(*std::move(established));
  goes_on = goes_on && watch(*client).has_value();
  if (!goes_on) drop(client);
  return goes_on;
}

// Drops a client that has taken too long, unless it has said everything meanwhile: nobody has looked while no accept() ran.
void ListenerCore::give_up(Client client) {
  if (!step(client)) return;
  limits_.trace.note("refused", [] { return describe({Errc::timed_out, Step::hello, 0, 0, 0}); });
  drop(client);
}

Result<void> ListenerCore::watch(HalfOpen& client) {
  const WaitingPoint point = client.handshake.waiting_point();
  WaitingPoint& registered = client.registered;
  if (registered.waitable == point.waitable && registered.interest == point.interest) return {};
  Result<void> done;
  if (registered.waitable == point.waitable) {
    done = waiter_.modify(point.waitable, point.interest, client.key);
  } else {
    if (registered.waitable) waiter_.remove(registered.waitable);
    registered = {};
    done = waiter_.add(point.waitable, point.interest, client.key);
  }
  if (done) registered = point;
  return done;
}

void ListenerCore::drop(Client client) {
  if (client->registered.waitable) waiter_.remove(client->registered.waitable);
  half_open_.erase(client);
}

void ListenerCore::drop_late_clients() {
  while (!half_open_.empty() && half_open_.front().deadline.has_passed()) give_up(half_open_.begin());
}

// ---- the end -------------------------------------------------------------------------------------------------------------

void ListenerCore::close() {
  if (is_foreign_process() || closing_.exchange(true, std::memory_order_seq_cst)) return;
  waiter_.wake();
  limits_.trace.note("closed", [] { return std::string("the listener was closed"); });
  const std::lock_guard lock(mutex_);
  if (acceptor_watched_) waiter_.remove(acceptor_->waitable());
  acceptor_.reset();
  while (!half_open_.empty()) drop(half_open_.begin());
  ready_.clear();
}

void ListenerCore::interrupt() noexcept {
  if (is_foreign_process()) return;
  interrupted_.store(true, std::memory_order_seq_cst);
  waiter_.wake();
}

}  // namespace sluice::inline v0::core
