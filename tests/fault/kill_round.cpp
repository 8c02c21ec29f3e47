#include "kill_round.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "shared_count.hpp"

namespace sluice_test {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
constexpr auto kGlance = 5ms;  // between two looks at whether the peer still lives

constexpr std::uint64_t kStreamToPeer = 1;

// Records when the kernel had let go of the peer's process.
class Watcher {
 public:
  explicit Watcher(Peer& peer) : peer_(peer), thread_([this] { run(); }) {}
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  ~Watcher() {
    stop_ = true;
    thread_.join();
  }
  [[nodiscard]] bool has_ended() const { return ended_; }
  // When the kernel had let go of the process; this end may have noticed before. Nothing if it doesn't end.
  [[nodiscard]] std::optional<Clock::time_point> wait_for_release() const {
    const auto until = Clock::now() + patience();
    while (!ended_ && Clock::now() < until) std::this_thread::sleep_for(1ms);
    return ended_ ? std::optional(released_) : std::nullopt;
  }

 private:
  void run() {
    while (!ended_ && !stop_) {
      if (const auto when = wait_for_end(peer_.process().pidfd(), milliseconds(kGlance))) {
        released_ = *when;
        ended_ = true;
      }
    }
  }

  Peer& peer_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> ended_{false};
  Clock::time_point released_;
  std::thread thread_;
};

// Kills the peer so long after now, unless this object is gone by then.
class DelayedKill {
 public:
  DelayedKill(Peer& peer, microseconds after)
      : thread_([this, &peer, when = Clock::now() + after] {
          while (!stop_ && Clock::now() < when) std::this_thread::sleep_until(std::min(when, Clock::now() + 2ms));
          if (!stop_) peer.kill();
        }) {}
  DelayedKill(const DelayedKill&) = delete;
  DelayedKill& operator=(const DelayedKill&) = delete;
  ~DelayedKill() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

std::string deadline_words() { return " deadline=" + std::to_string(patience().count()); }

// A peer that lives and couldn't do it says why; one that has died says nothing.
void require_unless_dead(const Reply& reply, const std::string& what) {
  if (!reply.done && reply.code != "peer_gone")
    throw std::runtime_error("the peer's " + what + ": " + reply.code + " " + reply.words.line());
}

// The peer's end is made here. Once it is under way the peer alone holds it, so that its death shows.
sluice::Result<Channel> hand_over(Peer& peer, const KillPlan& plan, const sluice::Options& options, const std::string& words) {
  auto end = sluice::child_end(plan.endpoint, {}, options);
  if (!end) return end.error();
  const auto claiming = peer.start("inherit" + words, end->launch.handles);
  end->launch = {};
  if (const auto connected = end->channel.flush(patience()); !connected) return connected.error();
  (void)peer.finish(claiming);  // it may be dead by then, which the exchange will show
  return std::move(end->channel);
}

// Both ends meet, unless the peer dies meanwhile.
sluice::Result<Channel> meet(Peer& peer, const KillPlan& plan, const Watcher& watcher) {
  sluice::Options options;
  options.capacity = plan.capacity;
  const std::string capacity = plan.capacity ? " capacity=" + std::to_string(*plan.capacity) : "";
  if (plan.what == PeerDoes::inherit) return hand_over(peer, plan, options, capacity + deadline_words());
  if (plan.what == PeerDoes::connect) {
    auto listener = sluice::listen(plan.endpoint, options);
    if (!listener) return listener.error();
    const auto connecting = peer.start("connect" + capacity + deadline_words());
    for (bool has_answered = false;;) {
      const bool over = watcher.has_ended();
      if (!has_answered && peer.has_answered(connecting)) {
        has_answered = true;
        require_unless_dead(peer.finish(connecting), "connect");
      }
      auto channel = listener->accept(kGlance);
      if (channel && !has_answered) (void)peer.finish(connecting);  // it may be dead by then, which the exchange will show
      if (channel || channel.error().code != Errc::timed_out || over) return channel;
    }
  }
  const Reply listening = peer.call("listen" + capacity);
  require_unless_dead(listening, "listen");
  if (!listening) return Errc::peer_died;
  const auto accepting = peer.start("accept" + deadline_words());
  auto channel = sluice::connect(plan.endpoint, patience(), options);
  if (channel) (void)peer.finish(accepting);
  return channel;
}

void check_end(const KillPlan& plan, KillOutcome& outcome) {
  if (!outcome.problem.empty()) return;
  if (outcome.code != "closed" && outcome.code != "peer_died") outcome.problem = "receiving ended with " + outcome.code;
  if (outcome.code == "closed" && outcome.received != plan.messages)
    outcome.problem = "closed after " + std::to_string(outcome.received) + " of " + std::to_string(plan.messages) + " messages";
}

void receive_all(Channel& channel, Peer& peer, const KillPlan& plan, KillOutcome& outcome) {
  const Stream stream{plan.seed ^ mix(kStreamFromPeer), {0, plan.largest}};
  while (true) {
    if (plan.kill_at_message == outcome.received) peer.kill();
    const auto message = channel.receive(patience());
    if (!message) {
      outcome.code = code_of(message);
      return;
    }
    if (auto wrong = stream.wrong(outcome.received, message->bytes()); !wrong.empty()) {
      outcome.problem = std::move(wrong);
      return;
    }
    ++outcome.received;
  }
}

// The peer lived to the end of its sending; now both ends close, and it may still die.
void close_both(Channel& channel, Peer& peer, Peer::Ticket receiving, const KillPlan& plan, KillOutcome& outcome) {
  const Reply received = peer.finish(receiving);
  const bool all_arrived = received.done && received.number("received") == plan.messages;
  if (!all_arrived && received.code != "peer_gone")
    outcome.problem = "the peer's receiving: " + received.code + " " + received.words.line();
  const auto closing = peer.start("close" + deadline_words());
  const auto closed = channel.close(patience());
  const Reply peer_closed = peer.finish(closing);
  if (!peer_closed && peer_closed.code != "peer_gone") outcome.problem = "the peer's close: " + peer_closed.code;
  if (peer_closed && !closed) outcome.problem = "the peer has closed, and our close ended with " + code_of(closed);
  if (const Reply points = peer.call("points"); points.done)
    for (const auto& [name, count] : points.words.all()) outcome.points[name] = std::strtoull(count.c_str(), nullptr, 10);
}

// The peer has died: what it had put into the channel whole must have arrived.
void check_death(const Channel& channel, const Watcher& watcher, Clock::time_point ended, const SharedCount& reported,
                 KillOutcome& outcome) {
  const auto released = watcher.wait_for_release();
  if (!released) {
    outcome.problem = "peer_died, of a peer that lives";
    return;
  }
  outcome.noticed = std::max(microseconds(0), duration_cast<microseconds>(ended - *released));
  outcome.reported = reported.load();  // only now: it may have put more until its last moment
  if (outcome.problem.empty() && *outcome.noticed > noticed_at_latest())
    outcome.problem =
        "the death was noticed after " + std::to_string(duration_cast<milliseconds>(*outcome.noticed).count()) + " ms";
  if (outcome.problem.empty() && channel.traits().after_death == sluice::AfterDeath::all && outcome.received < outcome.reported)
    outcome.problem = "received " + std::to_string(outcome.received) + " of " + std::to_string(outcome.reported) +
                      " messages that were in the channel";
}

void exchange(Channel& channel, Peer& peer, const KillPlan& plan, const Watcher& watcher, KillOutcome& outcome) {
  const auto started = Clock::now();
  const std::string sizes = " mixed=" + std::to_string(plan.largest);
  const SharedCount reported;
  const auto receiving =
      peer.start("receive all=1 stream=" + std::to_string(kStreamToPeer) + sizes + deadline_words(), "receive");
  peer.start("send count=" + std::to_string(plan.messages) + " stream=" + std::to_string(kStreamFromPeer) + sizes +
             deadline_words() + " report=" + reported.path());
  peer.start("flush deadline=1000");
  peer.start("finish" + deadline_words());
  std::optional<DelayedKill> kill;
  if (plan.kill_after && plan.kill_from == KillFrom::exchange) kill.emplace(peer, *plan.kill_after);
  std::thread sender([&] {
    const Stream stream{plan.seed ^ mix(kStreamToPeer), {0, plan.largest}};
    while (outcome.sent < plan.messages && stream.send(channel, outcome.sent, patience())) ++outcome.sent;
    (void)channel.finish(patience());
  });
  receive_all(channel, peer, plan, outcome);
  const auto ended = Clock::now();
  sender.join();
  if (outcome.code == "closed") close_both(channel, peer, receiving, plan, outcome);
  outcome.exchange_took = duration_cast<microseconds>(Clock::now() - started);
  if (outcome.code == "peer_died") check_death(channel, watcher, ended, reported, outcome);
  const auto counted = channel.statistics();
  if (counted.messages_sent != counted.known_taken + counted.unknown || counted.messages_received != outcome.received)
    outcome.problem = "the statistics don't add up";
}

}  // namespace

std::vector<PeerDoes> ways_to_meet(const Subject& subject) {
  if (!subject.has_names) return {PeerDoes::inherit};
  return {PeerDoes::connect, PeerDoes::listen};
}

const char* name_of(PeerDoes what) noexcept {
  switch (what) {
    case PeerDoes::connect:
      return "connecting";
    case PeerDoes::listen:
      return "listening";
    case PeerDoes::inherit:
      return "inheriting";
  }
  return "?";
}

KillOutcome run_kill_round(const KillPlan& plan) {
  KillOutcome outcome;
  Peer::Start start;
  start.endpoint = plan.endpoint;
  start.seed = plan.seed;
  start.options = plan.peer_options;
  Peer peer(start);
  const auto started = Clock::now();
  {
    const Watcher watcher(peer);
    std::optional<DelayedKill> kill;
    if (plan.kill_after && plan.kill_from == KillFrom::meeting) kill.emplace(peer, *plan.kill_after);
    auto channel = meet(peer, plan, watcher);
    outcome.meeting_took = duration_cast<microseconds>(Clock::now() - started);
    if (channel) {
      outcome.met = true;
      exchange(*channel, peer, plan, watcher, outcome);
      check_end(plan, outcome);
    } else {
      outcome.code = code_of(channel);
      // A peer that died in the handshake: none of these is the fault of this end. Who listens is told of nobody who didn't
      // come; all others must be told of the death.
      const bool expected = outcome.code == "peer_died" || outcome.code == "not_found" ||
                            (outcome.code == "timed_out" && plan.what == PeerDoes::connect);
      if (!expected || !wait_for_end(peer.process().pidfd(), patience()))
        outcome.problem = "meeting ended with " + outcome.code;
    }
  }
  if (plan.kills_from_here()) peer.kill();  // one that has outlived its round
  // A peer that is not killed goes on answering; one that was killed comes to its end.
  if (plan.kills_from_here() || !peer.call("drop-all")) (void)peer.process().wait(patience());
  if (const auto status = peer.process().wait(milliseconds(0))) {
    outcome.killed = WIFSIGNALED(*status) && WTERMSIG(*status) == SIGKILL;
    if (!outcome.killed && outcome.problem.empty()) outcome.problem = "the peer ended with status " + std::to_string(*status);
  }
  return outcome;
}

std::string meet_once_more(const std::string& endpoint, std::uint64_t seed, PeerDoes what) {
  KillPlan plan;
  plan.endpoint = endpoint;
  plan.seed = seed;
  plan.what = what;
  plan.messages = 1;
  const auto outcome = run_kill_round(plan);
  if (!outcome.problem.empty()) return "the next connection: " + outcome.problem;
  if (outcome.killed || outcome.code != "closed") return "the next connection ended with " + outcome.code;
  return {};
}

}  // namespace sluice_test
