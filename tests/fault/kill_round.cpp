#include "kill_round.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

namespace sluice_test {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
constexpr auto kGlance = 5ms;  // between two looks at whether the peer still lives

constexpr std::uint64_t kToPeer = 1;  // streams
constexpr std::uint64_t kFromPeer = 2;

// Watches the peer's process: kills it when it is time, and records when the kernel had let go of it.
class Watcher {
 public:
  Watcher(Peer& peer, std::optional<microseconds> kill_after) : peer_(peer), thread_([this, kill_after] { run(kill_after); }) {}
  ~Watcher() { join(); }
  void join() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] bool has_ended() const { return ended_; }
  // When the kernel had let go of the process; this end may have noticed before. Nothing if it doesn't end.
  [[nodiscard]] std::optional<Clock::time_point> wait_for_release() const {
    const auto until = Clock::now() + patience();
    while (!ended_ && Clock::now() < until) std::this_thread::sleep_for(1ms);
    return ended_ ? std::optional(released_) : std::nullopt;
  }

 private:
  void run(std::optional<microseconds> kill_after) {
    if (kill_after) {
      // In slices: where the round is over before, the kill comes then.
      const auto when = Clock::now() + *kill_after;
      while (!stop_ && Clock::now() < when) std::this_thread::sleep_until(std::min(when, Clock::now() + 2ms));
      peer_.kill();
    }
    while (!ended_) {
      if (const auto when = wait_for_end(peer_.process().pidfd(), milliseconds(kGlance))) {
        released_ = *when;
        ended_ = true;
      }
      if (stop_ && !kill_after) return;
    }
  }

  Peer& peer_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> ended_{false};
  Clock::time_point released_;
  std::thread thread_;
};

std::string deadline_words() { return " deadline=" + std::to_string(patience().count()); }

// Both ends meet, unless the peer dies meanwhile.
sluice::Result<Channel> meet(Peer& peer, const KillPlan& plan, const Watcher& watcher) {
  if (plan.what == PeerDoes::connect) {
    auto listener = sluice::listen(plan.endpoint);
    if (!listener) return listener.error();
    const auto connecting = peer.start("connect" + deadline_words());
    while (true) {
      const bool over = watcher.has_ended();
      auto channel = listener->accept(kGlance);
      if (channel) (void)peer.finish(connecting);  // it may be dead by then, which the exchange will show
      if (channel || channel.error().code != Errc::timed_out || over) return channel;
    }
  }
  if (!peer.call("listen")) return Errc::peer_died;
  const auto accepting = peer.start("accept" + deadline_words());
  auto channel = sluice::connect(plan.endpoint, patience());
  if (channel) (void)peer.finish(accepting);
  return channel;
}

void check_end(const KillPlan& plan, KillOutcome& outcome) {
  if (!outcome.problem.empty()) return;
  if (outcome.code != "closed" && outcome.code != "peer_died") outcome.problem = "receiving ended with " + outcome.code;
  if (outcome.code == "closed" && outcome.received != plan.messages)
    outcome.problem = "closed after " + std::to_string(outcome.received) + " of " + std::to_string(plan.messages) + " messages";
}

void receive_all(Channel& channel, const KillPlan& plan, KillOutcome& outcome) {
  const Stream stream{plan.seed ^ mix(kFromPeer), {0, plan.largest}};
  while (true) {
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

void exchange(Channel& channel, Peer& peer, const KillPlan& plan, const Watcher& watcher, KillOutcome& outcome) {
  const std::string sizes = " mixed=" + std::to_string(plan.largest);
  const auto receiving = peer.start("receive all=1 stream=" + std::to_string(kToPeer) + sizes + deadline_words(), "receive");
  peer.start("send count=" + std::to_string(plan.messages) + " stream=" + std::to_string(kFromPeer) + sizes + deadline_words());
  peer.start("flush deadline=1000");
  peer.start("finish" + deadline_words());
  std::thread sender([&] {
    const Stream stream{plan.seed ^ mix(kToPeer), {0, plan.largest}};
    while (outcome.sent < plan.messages && stream.send(channel, outcome.sent, patience())) ++outcome.sent;
    (void)channel.finish(patience());
  });
  receive_all(channel, plan, outcome);
  const auto ended = Clock::now();
  sender.join();
  if (outcome.code == "closed") {
    // It lived to the end of its sending; now it closes, and may still die.
    const Reply received = peer.finish(receiving);
    const bool all_arrived = received.done && received.number("received") == plan.messages;
    if (!all_arrived && received.code != "peer_gone")
      outcome.problem = "the peer's receiving: " + received.code + " " + received.words.line();
    if (const Reply points = peer.call("points"); points.done)
      for (const auto& [name, count] : points.words.all()) outcome.points[name] = std::strtoull(count.c_str(), nullptr, 10);
    peer.start("close" + deadline_words());
    (void)channel.close(patience());
  }
  if (outcome.code == "peer_died") {
    if (const auto released = watcher.wait_for_release())
      outcome.noticed = std::max(microseconds(0), duration_cast<microseconds>(ended - *released));
  }
  const auto counted = channel.statistics();
  if (counted.messages_sent != counted.known_taken + counted.unknown || counted.messages_received != outcome.received)
    outcome.problem = "the statistics don't add up";
}

}  // namespace

KillOutcome run_kill_round(const KillPlan& plan) {
  KillOutcome outcome;
  Peer::Start start;
  start.endpoint = plan.endpoint;
  start.seed = plan.seed;
  start.options = plan.peer_options;
  Peer peer(start);
  const auto started = Clock::now();
  {
    Watcher watcher(peer, plan.kill_after);
    auto channel = meet(peer, plan, watcher);
    if (channel) {
      outcome.met = true;
      exchange(*channel, peer, plan, watcher, outcome);
      check_end(plan, outcome);
    } else {
      outcome.code = code_of(channel);
      // A peer that died in the handshake: none of these is the fault of this end.
      const bool expected = outcome.code == "timed_out" || outcome.code == "peer_died" || outcome.code == "not_found";
      if (!expected || !wait_for_end(peer.process().pidfd(), patience()))
        outcome.problem = "meeting ended with " + outcome.code;
    }
  }
  outcome.took = duration_cast<microseconds>(Clock::now() - started);
  // A peer that was not killed has to come to its end.
  if (!plan.kill_after && !wait_for_end(peer.process().pidfd(), milliseconds(0)) && !peer.call("drop-all"))
    (void)peer.process().wait(patience());
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
