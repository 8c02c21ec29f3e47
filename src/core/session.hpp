// Session: one end of a channel after the handshake, over any of the three shapes. It owns what every mechanism has in
// common: whole messages, acceptance and the tail, acknowledgement, the orderly end and the other ones, deadlines.
//
// There is no thread behind it. Each call tries, under the lock of the half that it needs and never both, and sleeps without a
// lock in its waiting place. Whoever waits also moves what is left to move: the tail, and control records.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/deadline.hpp>
#include <sluice/result.hpp>
#include <sluice/waitable.hpp>

#include "core/any_records.hpp"
#include "core/conduct.hpp"
#include "core/endpoint.hpp"
#include "core/framing.hpp"
#include "core/half_lock.hpp"
#include "core/loan_memory.hpp"
#include "core/membership.hpp"
#include "core/records.hpp"
#include "core/trace.hpp"
#include "core/turns.hpp"
#include "core/waiting.hpp"
#include "links/meeting.hpp"
#include "links/tether.hpp"

namespace sluice::inline v0::core {

// What a handshake ends with, and a session begins with.
struct Established {
  links::AnyLink link;
  std::unique_ptr<links::StreamLink> handles;  // what carries those of messages in a region; null: it is the link, or nothing
  std::unique_ptr<links::Tether> tether;       // never null
  Peer peer;
  Traits traits;
  std::size_t max_incoming{0};          // the largest message that this end accepts
  std::size_t max_outgoing{0};          // … and the other
  std::size_t max_incoming_handles{0};  // the most handles with one message that this end accepts
  std::size_t max_outgoing_handles{0};  // … and the other
  Conduct conduct{};                    // of this end
  Framing framing{Framing::sluice};     // a foreign one: the link is a stream, and the tether tells nothing
  Trace trace{};
};

// How much flush() and advance() read ahead of the caller's receive(): beyond it the peer is left waiting.
inline constexpr std::size_t kAheadMessages = 64;
inline constexpr std::size_t kAheadBytes = std::size_t{1} << 20;
inline constexpr std::uint32_t kSendsBetweenLooks = 16;  // a sender that never waits must learn of a death, too
// How long until what the system has refused is tried again. Above all that are handles on their way, of which a user may have
// only so many (ETOOMANYREFS, unix(7)): room for more comes when any process of the user receives some, and nothing tells of
// it. An accepted message waits for that; to try so often costs little, and delays it by less than a person notices.
inline constexpr std::chrono::milliseconds kRetryRefused{20};
inline constexpr std::size_t kAheadHandles = 64;  // a process may have 1024 descriptors, as systems come (getrlimit(2))

class Beginning;

class Session {
 public:
  explicit Session(Established established);
  // One that is there at once, and connected by the calls on it (session_beginning.cpp). `promised`: its traits until then.
  Session(std::unique_ptr<Beginning> beginning, const Traits& promised, const Limits& limits);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // As in Channel, where they are documented.
  Result<void> send(const Outgoing& outgoing, Deadline deadline);
  Result<std::size_t> send_many(std::span<const Outgoing> messages, Deadline deadline);
  Result<Message> receive(Deadline deadline);
  Result<Received> receive_into(std::span<std::byte> room, Deadline deadline);
  Result<std::size_t> receive_many(std::span<Message> messages, Deadline deadline);
  Result<void> flush(Deadline deadline);
  Result<void> finish(Deadline deadline);
  Result<void> close(Deadline deadline);
  void interrupt() noexcept;
  void advance();
  Result<links::Waitable> waitable();
  // Room for the next message. One loan at a time; it ends with commit(), whatever that returns, or with drop_loan().
  Result<std::span<std::byte>> loan(std::size_t size, Deadline deadline);
  Result<void> attach(std::span<const Handle> handles);
  Result<void> commit(std::size_t size);
  void drop_loan() noexcept;
  // As Channel::arm(), and says what there is.
  struct Found {
    bool message{false};
    bool room{false};
    bool ended{false};  // for what was wanted
    [[nodiscard]] bool anything() const noexcept { return message || room || ended; }
  };
  Result<Found> arm(Want want);
  // Nobody waits for what it was armed for any longer.
  void disarm();
  [[nodiscard]] Membership& membership() noexcept { return membership_; }

  [[nodiscard]] std::optional<Error> ended() const;
  [[nodiscard]] const Traits& traits() const noexcept { return is_connected() ? traits_ : promised_; }
  [[nodiscard]] const Peer& peer() const noexcept {
    static constexpr Peer nobody{};
    return is_connected() ? peer_ : nobody;
  }
  [[nodiscard]] Statistics statistics();
  // Ends both directions of this end with this error; it is returned. The peer hears no goodbye.
  Error fail(const Error& error);

 private:
  class Call;  // one call in its waiting place (session_waiting.hpp)

  // Before it is connected (session_beginning.cpp).
  // acquire: pairs with the release in become(); what a session is made of is visible
  [[nodiscard]] bool is_connected() const noexcept { return is_connected_.load(std::memory_order_acquire); }
  // Null before that. Not after cut().
  [[nodiscard]] const links::Tether* tether() const noexcept { return is_connected() ? tether_.get() : nullptr; }
  Result<void> begin(Side side, Step step, Deadline deadline);
  Result<void> try_begin();
  Result<bool> arm_beginning();
  void become(Established established);
  void give_up_beginning();

  // Tries until `attempt` gives something else than would_block, sleeping between tries.
  template <class Attempt>
  auto wait_for(Side side, Step step, Deadline deadline, Attempt attempt) -> decltype(attempt());
  template <class Attempt>
  auto sleep_between(Side side, Step step, Deadline deadline, Attempt& attempt) -> decltype(attempt());
  class AtOnce;  // one call that doesn't wait (session_waiting.hpp)
  void after_leaving(Side side) noexcept;
  template <class Attempt>
  bool rest(Side side, Attempt& attempt, decltype(std::declval<Attempt&>()())& result);
  template <class Attempt>
  bool spin(Side side, Attempt& attempt, Deadline deadline, decltype(std::declval<Attempt&>()())& result);
  [[nodiscard]] static bool can_spin(const Conduct& conduct) noexcept;
  [[nodiscard]] std::chrono::microseconds time_to_spin() noexcept;
  void look_for_a_while(Side side) noexcept;
  void note_spin(bool was_in_vain) noexcept;
  Result<Woken> sleep_once(Side side, Wants wants, Deadline deadline);
  [[nodiscard]] Wants wants_of(Side side);
  [[nodiscard]] bool owes_answer();
  [[nodiscard]] Error late(Side side, const Error& error) const;
  void announce(Side side);
  [[nodiscard]] bool may_sleep(Side side);
  void stop_waiting_for_room(Side side);
  void wake_who_waits_for_room_locked();
  [[nodiscard]] WaitingPlace& place(Side side) noexcept { return places_[static_cast<std::size_t>(side)]; }
  void wake(Side side) noexcept { place(side).wake(); }
  void wake_all() noexcept;
  [[nodiscard]] bool is_peer_gone() noexcept;
  [[nodiscard]] bool is_time_to_look_at_tether() const noexcept;
  void make_due(std::atomic<bool>& word) noexcept;
  [[nodiscard]] bool is_foreign_process() const noexcept;

  // The outgoing half (session_out.cpp); those that end in _locked want out_mutex_.
  [[nodiscard]] std::optional<Error> refuse(Step step, const Outgoing& outgoing, std::size_t size) const;
  bool send_at_once(OutgoingMessage& message);
  Result<void> try_send(OutgoingMessage& message);
  template <class Put, class HasBegun>
  auto try_put(Step step, Put put, HasBegun has_begun) -> decltype(put());
  Result<void> put_locked(OutgoingMessage& message);
  Result<void> move_locked();
  Result<void> move_all_locked();
  Result<void> move_control_locked();
  Result<void> put_control_locked(Word word, std::uint32_t number);
  void move_out();
  void move_out_for(bool caller_leaves);
  void look_for_words();
  [[nodiscard]] bool hears_alone() const;
  Result<void> keep_tail(const OutgoingMessage& message);
  Result<void> try_flush(std::uint64_t target);
  Result<void> try_finish();
  [[nodiscard]] std::uint64_t known_taken_locked() noexcept;
  void look_at_ring_locked() noexcept;

  // Several at a time (session_many.cpp).
  struct Batch;
  Result<void> put_batch_locked(Batch& batch);

  // The loan (session_loan.cpp).
  class EndOfLoan;
  Result<std::span<std::byte>> lend_locked(std::size_t size);
  Result<void> commit_locked(OutgoingMessage& message, Bytes& part);
  void end_loan_locked() noexcept;

  // The incoming half (session_in.cpp); those that end in _locked want in_mutex_.
  Result<Message> try_receive();
  Result<Received> try_receive_into(std::span<std::byte> room);
  Result<Received> take_into_locked(std::span<std::byte> room);
  Result<std::size_t> try_receive_many(std::span<Message> messages);
  std::optional<Result<Received>> receive_at_once(std::span<std::byte> room, Deadline deadline);
  [[nodiscard]] bool is_quiet() noexcept;
  std::optional<std::size_t> take_plain_locked(std::span<std::byte> room);
  Result<Message> next_message_locked(std::span<std::byte> room = {});
  [[nodiscard]] bool is_held_up_locked(const Result<Message>& message) noexcept;
  Result<Message> take_message_locked(std::span<std::byte> room = {});
  Result<void> take_control_locked(const Control& control);
  void answer_if_asked_locked() noexcept;
  void keep_ahead_locked(Message message, bool in_front);
  [[nodiscard]] bool has_room_ahead_locked(std::size_t messages, std::size_t bytes) const noexcept;
  void drop_ahead_locked() noexcept;
  void note_taken_locked(std::uint32_t messages, std::size_t bytes) noexcept;
  void read_ahead(Side caller, std::size_t messages, std::size_t bytes);
  Result<void> note_peer_took(std::uint32_t count) noexcept;

  // Armed for an event loop (session_armed.cpp).
  Result<Found> arm_once();
  [[nodiscard]] Found look(bool is_writable);
  [[nodiscard]] Wants wants_when_armed(bool move_out, bool retry);

  // The end (session_end.cpp).
  Result<void> try_close();
  Result<void> put_goodbye();
  [[nodiscard]] bool discard_incoming();
  void wait_for_calls_to_leave();
  void cut();
  Error end(std::optional<Error>& direction, const Error& error);
  Error end_incoming(const Error& error);
  Error end_outgoing(const Error& error);
  Error end_both(const Error& error);
  [[nodiscard]] static Error closed_here() noexcept { return {Errc::closed, Step::close, 0, 0, 0}; }
  [[nodiscard]] Error settle();
  [[nodiscard]] Error death(Step step) const;
  [[nodiscard]] std::optional<Error> outgoing_end() const;
  [[nodiscard]] std::optional<Error> incoming_end() const;

  const std::uint32_t generation_;  // the process that made it
  const Conduct conduct_;
  const bool may_spin_;
  const std::unique_ptr<Turns> turns_;  // null: one thread sends
  const bool is_foreign_;  // the peer speaks a foreign framing: it confirms nothing, and the end of its stream is its goodbye
  const Trace trace_;
  const std::unique_ptr<Beginning> beginning_;  // null: it was connected from the start
  const Traits promised_;

  // Written once, before is_connected_ is set, and by nobody after that.
  Peer peer_;
  Traits traits_;
  std::size_t max_incoming_{0};
  std::size_t max_outgoing_{0};
  std::size_t max_outgoing_handles_{0};
  std::unique_ptr<links::Tether> tether_;  // null before that, and after cut()
  std::optional<AnyRecords> records_;      // set and reset (by cut()) under both locks
  std::atomic<bool> is_connected_{false};

  std::array<WaitingPlace, kSides.size()> places_;
  HalfLock& out_mutex_{places_[static_cast<std::size_t>(Side::sending)].half()};
  Tail tail_;                                // of an accepted message
  bool is_refused_{false};                   // the last move_locked() met a refusal of the system, and is to be tried again
  std::optional<std::uint32_t> ask_;         // to be put: tell me when you have taken so many
  std::optional<std::uint64_t> asked_peer_;  // what we asked last
  bool finish_put_{false};
  bool goodbye_put_{false};
  std::array<bool, kSides.size()> sleeps_for_room_{};  // … in a ring, where room is announced
  // The loan that is out. Nothing but control records is put meanwhile.
  struct {
    bool is_out{false};
    bool in_ring{false};                        // else in `memory`
    std::size_t size{0};                        // what was asked for
    const std::byte* bytes{nullptr};            // where it is
    LoanHandles handles{};                      // belongs to who has the loan
    LoanMemory memory{};                        // stays from loan to loan
    std::shared_ptr<links::RegionLink> kept{};  // after cut(): what keeps a ring's bytes mapped
  } loan_;
  std::vector<OutgoingMessage> batch_;  // scratch, of send_many(): belongs to the call that is in the place of `sending`

  HalfLock& in_mutex_{places_[static_cast<std::size_t>(Side::receiving)].half()};
  std::deque<Message> ahead_;  // read before anybody asked for them (flush), or too large for receive_into()
  // There are some: for is_quiet(), which takes no lock. seq_cst, as has_end_: who reads ahead sets this and then looks who
  // waits; who waits says so and then looks at this.
  std::atomic<bool> has_ahead_{false};
  std::size_t ahead_bytes_{0};
  std::size_t ahead_handles_{0};
  bool is_link_emptied_{false};             // the last take_message_locked() that gave none left nothing behind
  std::optional<std::uint32_t> peer_asks_;  // the peer wants to know when we have taken so many

  mutable std::mutex end_mutex_;  // innermost
  std::optional<Error> incoming_end_;
  std::optional<Error> outgoing_end_;
  // One of them is there: each message asks, and the lock is left alone as long as there is none. seq_cst, as places_ want it:
  // who ends a direction sets this and then looks who waits; who waits says so and then looks at this.
  std::atomic<bool> has_end_{false};
  bool peer_said_goodbye_{false};
  bool goodbye_answered_{false};
  std::optional<Errc> traced_end_;  // of either direction

  // Found by one half, done by the other.
  //
  // The control records `taken` and `goodbye_seen` are due. seq_cst, in one order with out_work_: make_due() sets the word and
  // then out_work_; move_locked() clears out_work_, and then move_control_locked() takes the word back. A word that it misses
  // is set after that, and so leaves out_work_ set. The exchange acquires, so that taken_ is at least what it was when the word
  // was set.
  std::atomic<bool> answer_due_{false};
  std::atomic<bool> goodbye_seen_due_{false};
  // Something is to be moved out: the tail, or a control record. Set under in_mutex_ by make_due(), see above; else set and
  // cleared under out_mutex_, and there release is enough. move_out() looks (acquire) without the lock, and may miss what
  // another thread sets at that moment. Nothing is lost: no call sleeps before wants_of() has looked under out_mutex_; and who
  // has set it tries to move it out after that, and waits for what it can't move, or wakes the others to take it over, or was
  // only a try (Deadline::now()), after which the next call looks.
  std::atomic<bool> out_work_{false};
  // Messages handed to the caller, modulo 2^32: what headers carry back. Written under in_mutex_ alone. Nothing is read through
  // it: in a header an older count is no error (relaxed); the answer to an `ask` is as new as answer_due_ makes it.
  std::atomic<std::uint32_t> taken_{0};
  // What a flush of the sending side waits for; 0: none runs. relaxed, for two locks order it against known_taken_: the flush
  // sets it before try_flush() takes the lock under which note_peer_took() runs (in_mutex_, in read_ahead(); in a ring
  // out_mutex_), and looks at known_taken_ after that. Either the count was noted under the lock before: then this look sees
  // it; or it is noted afterwards: then note_peer_took() sees the target, and its wake() comes after start_waiting().
  std::atomic<std::uint64_t> flush_target_{0};
  // It sleeps without listening: somebody receives, or enough is read ahead. seq_cst, see wants_of() and Call.
  std::atomic<bool> sender_is_deaf_{false};
  // An event loop has been told that there is nothing. seq_cst: arm() sets it before its last look; a receiving call takes
  // messages and control records off the link, into memory of ours, and then looks at this (Call): one of the two sees the
  // other.
  std::atomic<bool> is_armed_{false};

  // seq_cst: a call enters its place and then looks at this; close() sets this and then looks who is in, see
  // WaitingPlace::enter(). Whoever sees it false and is still in keeps close() from cut().
  std::atomic<bool> closing_{false};
  // The tether has told. release by who saw that, acquire by who acts on it without having looked itself: what the peer had
  // written into the channel before its death is visible to that one's last look.
  std::atomic<bool> severed_{false};
  // relaxed, all three: hints. Two threads that look at the tether at once cost a system call more. The last one is written by
  // the call that sends.
  std::atomic<std::int64_t> last_tether_look_{0};
  std::atomic<int> vain_spins_{0};
  std::atomic<std::uint32_t> sends_since_look_{0};

  std::uint32_t run_{0};  // messages received without a wait; belongs to the call that is in the place of `receiving`
  Membership membership_;
  Want armed_for_{Want::nothing};  // belongs to the call that is in the place of `armed`

  // Adds to what one call at a time writes, and others only read; returns what it was. relaxed: a counter; and in two steps,
  // for those on shared memory would notice a locked one.
  template <class Number>
  static Number count(std::atomic<Number>& counter, Number more) noexcept {
    const Number before = counter.load(std::memory_order_relaxed);
    counter.store(before + more, std::memory_order_relaxed);
    return before;
  }

  // Counters, for statistics() on any thread. relaxed: each is right by itself, and nothing is read through it. The first two
  // pairs are written by the call that sends and by the one that receives.
  std::atomic<std::uint64_t> messages_sent_{0};
  // How many messages may be on their way that messages_sent_ doesn't count yet. acquire and release: whoever sees 1 after a
  // batch sees the batch counted.
  std::atomic<std::uint32_t> being_sent_{1};
  std::atomic<std::uint64_t> bytes_sent_{0};
  std::atomic<std::uint64_t> messages_received_{0};
  std::atomic<std::uint64_t> bytes_received_{0};
  // How often a call on each side slept, and was woken by the link: written by the call that is in that place.
  std::array<std::atomic<std::uint64_t>, kSides.size()> waits_{};
  std::array<std::atomic<std::uint64_t>, kSides.size()> wake_ups_{};
  std::atomic<std::uint64_t> rings_sent_{0};  // as look_at_ring_locked() saw it last, under out_mutex_
  // Sent messages that the peer is known to have taken. Written in note_peer_took(), always under the same lock: in_mutex_, or
  // out_mutex_ where the channel is a ring; so it may be loaded and stored in two steps. release and acquire would not be
  // needed for the number, of which an old value only asks for one more look; see flush_target_ for who must not miss a new
  // one.
  std::atomic<std::uint64_t> known_taken_{0};
};

}  // namespace sluice::inline v0::core
