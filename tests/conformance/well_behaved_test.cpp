// Promise 12: close-on-exec, no signal handlers, no SIGPIPE, no threads but those that the traits name; a channel belongs to
// the process that made it.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(WellBehaved, 12);

// Signals that are caught, ignored, blocked; without the two that the C library keeps for its threads (signal(7), nptl(7)).
std::string signal_state(pid_t pid) {
  std::string state;
  for (const char* field : {"SigCgt", "SigIgn", "SigBlk"}) {
    constexpr std::uint64_t kOfTheCLibrary = std::uint64_t{3} << 31;  // 32 and 33
    const std::uint64_t mask = std::strtoull(status_field(pid, field).c_str(), nullptr, 16);
    state += std::string(field) + "=" + std::to_string(mask & ~kOfTheCLibrary) + " ";
  }
  return state;
}

TEST_P(WellBehaved, LeavesSignalsAsTheyAre) {
  const auto before = signal_state(getpid());
  auto& peer = start_peer();
  const auto peer_before = peer.is_own_process() ? signal_state(peer.pid()) : "";
  auto pair = meet(peer, PeerDoes::connect);
  send(pair.channel, stream({kSmall}), 0, few());
  EXPECT_DONE(peer.call("receive size=300 count=" + std::to_string(few())));
  EXPECT_EQ(signal_state(getpid()), before);
  if (peer.is_own_process()) {
    EXPECT_EQ(signal_state(peer.pid()), peer_before);
  }
}

TEST_P(WellBehaved, RaisesNoSigpipe) {
  // The default action would end this process.
  const auto previous = signal(SIGPIPE, SIG_DFL);
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    if (pair.peer->is_own_process()) {
      pair.peer->kill();
      ASSERT_TRUE(wait_for_end(pair.peer->process().pidfd(), patience()));
    } else {
      EXPECT_DONE(pair.peer->call("destroy"));
    }
    sluice::Result<void> sent;
    for (int attempt = 0; attempt < 1000 && sent; ++attempt) sent = pair.channel.send(std::vector<std::byte>(10'000), soon());
    EXPECT_FALSE(sent);
    (void)pair.channel.flush(soon());
    (void)pair.channel.close(soon());
  }
  signal(SIGPIPE, previous);
}

// Looks at what this process has opened since `before`: how many.
std::uint64_t expect_close_on_exec(const std::map<int, std::string>& before) {
  std::uint64_t checked = 0;
  for (const auto& [fd, target] : descriptors_of(getpid())) {
    if (before.contains(fd)) continue;
    EXPECT_TRUE((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0) << fd << ": " << target;
    ++checked;
  }
  return checked;
}

TEST_P(WellBehaved, MarksEveryDescriptorCloseOnExec) {
  {
    auto& peer = start_peer();
    const auto before = descriptors_of(getpid());
    auto listener = listen_if_possible();
    auto channel = std::move(meet_at(listener, peer).channel);
    send(channel, stream({100}), 0, 1);
    const auto checked = expect_close_on_exec(before);
    EXPECT_GT(checked, 0U);
    note("descriptors_of_listener", checked);
  }
  auto& peer = start_peer();
  const auto before = descriptors_of(getpid());
  auto pair = meet(peer, PeerDoes::listen);
  send(pair.channel, stream({100}), 0, 1);
  const auto checked = expect_close_on_exec(before);
  EXPECT_GT(checked, 0U);
  note("descriptors_of_client", checked);
}

TEST_P(WellBehaved, AnExecutedChildInheritsNothing) {
  if (stays_in_one_process()) return answer_one_process();
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto& peer = start_peer();
    const Reply alone = peer.call("exec-and-list");
    ASSERT_DONE(alone);
    auto pair = meet(peer, what);
    const Reply connected = peer.call("exec-and-list");
    // Nothing but what it inherits without any channel: the same numbers. (The targets differ: a pipe is new each time.)
    const auto numbers = [](const std::string& list) {
      std::string all;
      for (std::size_t at = 0; at < list.size(); at = list.find(';', at) + 1)
        all += list.substr(at, list.find(':', at) - at) + " ";
      return all;
    };
    EXPECT_EQ(numbers(connected.text("descriptors")), numbers(alone.text("descriptors"))) << connected;
    EXPECT_EQ(numbers(connected.text("descriptors")), "0 1 2 ");
  }
}

TEST_P(WellBehaved, HasOnlyTheThreadsThatItsTraitsName) {
  auto& peer = start_peer();
  (void)peer.call("ended");  // its lane is a thread of the harness
  const auto before = threads_of(getpid()).size();
  auto pair = meet(peer, PeerDoes::connect);
  send(pair.channel, stream({100}), 0, 1);
  EXPECT_DONE(peer.call("receive size=100"));
  const auto after = threads_of(getpid()).size();
  const auto ends_here = peer.is_own_process() ? 1U : 2U;
  const auto named = static_cast<std::size_t>(pair.channel.traits().threads) + subject().stand_in_threads;
  EXPECT_LE(after, before + ends_here * named);
  note("threads", after - before);
}

void expect_misuse(const Reply& used) {
  for (const char* call : {"send", "receive", "receive_into", "flush", "finish", "close"})
    EXPECT_EQ(used.text(call), "misuse") << call;
  EXPECT_EQ(used.number("status"), 0U) << used;
  EXPECT_EQ(used.text("inherited"), "") << "the forked child still holds descriptors of the library";
}

TEST_P(WellBehaved, AForkedChildCanOnlyMisuseTheChannel) {
  if (stays_in_one_process()) return answer_one_process();
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);
    EXPECT_DONE(pair.peer->call("send size=1000 count=2"));
    send(pair.channel, stream({1000}), 0, 2);
    // A child uses and destroys the channel, with messages on their way in both directions: the parent is undisturbed.
    const Reply used = pair.peer->call("use-in-child");
    ASSERT_DONE(used);
    expect_misuse(used);
    EXPECT_DONE(pair.peer->call("send size=1000 first=2"));
    receive(pair.channel, stream({1000}), 0, 3);
    EXPECT_DONE(pair.peer->call("receive size=1000 count=2"));
    send(pair.channel, stream({1000}), 2, 1);
    EXPECT_DONE(pair.peer->call("receive size=1000 first=2"));
    const auto closing = pair.peer->start("close deadline=10000");
    EXPECT_OK(pair.channel.close(soon()));
    EXPECT_DONE(pair.peer->finish(closing));
  }
}

TEST_P(WellBehaved, AForkedChildThatWaitsHoldsNoPeerUp) {
  // The child lives on with the parent's memory, and the parent closes: the peer must hear of it at once.
  if (stays_in_one_process()) return answer_one_process();
  auto pair = meet();
  const Reply forked = pair.peer->call("fork-and-sleep");
  ASSERT_DONE(forked);
  EXPECT_DONE(pair.peer->call("send size=10"));
  EXPECT_DONE(pair.peer->call("destroy"));
  receive(pair.channel, stream({10}), 0, 1);
  EXPECT_CODE(pair.channel.receive(soon()), Errc::closed);
  EXPECT_EQ(kill(static_cast<pid_t>(forked.number("child")), SIGKILL), 0);
}

TEST_P(WellBehaved, LeavesNothingBehind) {
  // TearDown compares the runtime folder, names and descriptors of both processes; here, with several channels and listeners.
  for (int round = 0; round < 3; ++round) {
    for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
      auto pair = meet(what);
      send(pair.channel, stream({100}), 0, 2);
      EXPECT_DONE(pair.peer->call("receive size=100 count=2"));
    }
    auto unused = listen_if_possible();
  }
  if (!subject().has_names) return;
  auto& refused = start_peer();
  EXPECT_FAILED(refused.call("connect"), Errc::not_found);
}

TEST_P(WellBehaved, NamesAreGoneAsSoonAsBothEndsHoldTheObject) {
  auto pair = meet();
  const auto now = scratch().leftovers();
  for (const auto& left : now)
    EXPECT_TRUE(left.starts_with("descriptor ")) << "there is a name while the channel is open: " << left;
}

}  // namespace
}  // namespace sluice_test
