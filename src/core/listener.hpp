// ListenerCore: an acceptor and all its half-open handshakes, which move side by side.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/channel.hpp>
#include <sluice/deadline.hpp>
#include <sluice/result.hpp>

#include "core/connecting.hpp"
#include "core/handshake.hpp"
#include "core/membership.hpp"
#include "core/session.hpp"
#include "links/meeting.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::core {

class ListenerCore {
 public:
  // As listen() in channel.hpp.
  [[nodiscard]] static Result<std::unique_ptr<ListenerCore>> create(std::string_view endpoint, const Options& options);
  // As adopt_listener() there.
  [[nodiscard]] static Result<std::unique_ptr<ListenerCore>> adopt(links::Descriptor listening, std::string_view endpoint,
                                                                   const Options& options);
  ~ListenerCore();
  ListenerCore(const ListenerCore&) = delete;
  ListenerCore& operator=(const ListenerCore&) = delete;

  [[nodiscard]] Result<std::unique_ptr<Session>> accept(Deadline deadline);
  [[nodiscard]] const std::string& endpoint() const noexcept { return endpoint_; }
  void close();
  void interrupt() noexcept;
  // As Listener::arm(): true if accept() has a channel, or says how it ended.
  [[nodiscard]] Result<bool> arm();
  [[nodiscard]] Result<links::Waitable> waitable();
  [[nodiscard]] bool is_closed() const noexcept { return closing_.load(std::memory_order_seq_cst); }
  [[nodiscard]] Membership& membership() noexcept { return membership_; }

 private:
  // One accept or arm at a time, each seeing what the last one did.
  class Turn;

  struct HalfOpen {
    std::uint64_t key;
    Handshake handshake;
    Deadline deadline;
    WaitingPoint registered;
  };
  using Client = std::list<HalfOpen>::iterator;

  ListenerCore(const Resolved& resolved, std::unique_ptr<links::Acceptor> acceptor, links::Waiter waiter);

  Result<std::unique_ptr<Session>> accept_in_turn(Deadline deadline);
  Result<void> move_clients(std::span<const links::Ready> ready);
  Result<void> take_new_clients();
  bool step(Client client);
  void give_up(Client client);
  void step_ready(std::span<const links::Ready> ready);
  void drop(Client client);
  void drop_late_clients();
  Result<void> watch(HalfOpen& client);
  [[nodiscard]] bool is_foreign_process() const noexcept;

  const links::Row& row_;
  const Limits limits_;
  const std::uint32_t generation_;  // the process that made it
  std::string endpoint_;
  links::Waiter waiter_;
  Membership membership_;
  std::atomic<bool> accepting_{false};  // see Turn
  // Set, and then the waiter is woken; the accept looks at them, and then waits. A wake-up that comes before the wait is not
  // lost: so either that look sees them, or the wait ends and the next look does. seq_cst, for there is nothing to be gained
  // here. closing_ is looked at under mutex_: who finds it false there finds the acceptor, too, for close() lets it go under
  // mutex_.
  std::atomic<bool> closing_{false};
  std::atomic<bool> interrupted_{false};

  std::mutex mutex_;                           // what follows; not held while waiting
  std::unique_ptr<links::Acceptor> acceptor_;  // gone after close()
  bool acceptor_watched_{false};
  std::list<HalfOpen> half_open_;  // the oldest in front
  std::uint64_t next_key_{1};
  std::deque<Established> ready_;
};

}  // namespace sluice::inline v0::core
