// Promise 6, with many: as many clients on one listener as the mechanism's limits allow, some of which die half-way, through a
// message or through their handshake; what is beyond the limits is told to those who connect.
#include <thread>

#include "death.hpp"
#include "fault_points.hpp"

namespace sluice_test {
namespace {

// Uses a limit up that all processes of the user share: it has the machine for itself.
class ManyClients : public Conformance {
 protected:
  ManyClients() : Conformance(6, UserLock::Hold::exclusive) {}

  // A client that comes while others die gets its channel; those that got as far as a channel before they died show it there.
  void expect_served(Listener& listener, Peer& client, const std::string& name) {
    const auto connecting = client.start("connect deadline=10000 channel=" + name);
    const auto sending = client.start("send size=100 stream=" + name + " channel=" + name);
    while (true) {
      auto channel = listener.accept(soon());
      ASSERT_OK(channel);
      const auto message = channel->receive(soon());
      if (!message) {
        ASSERT_CODE(message, Errc::peer_died);
        continue;
      }
      EXPECT_EQ(stream({100}, std::stoull(name)).wrong(0, message->bytes()), "");
      EXPECT_DONE(client.finish(connecting));
      EXPECT_DONE(client.finish(sending));
      EXPECT_DONE(client.call("destroy channel=" + name));
      return;
    }
  }

  // Whoever comes until the deadline has died when its channel was just made, and nobody else is there.
  static void expect_only_dead(Listener& listener, Deadline deadline) {
    auto channel = listener.accept(deadline);
    for (; channel; channel = listener.accept(deadline)) EXPECT_CODE(channel->receive(patience()), Errc::peer_died);
    EXPECT_CODE(channel, deadline.is_now() ? Errc::would_block : Errc::timed_out);
  }
};
INSTANTIATE_TEST_SUITE_P(Promise6, ManyClients, testing::ValuesIn(subjects()), label_of);

constexpr std::uint64_t kClients = 64;
constexpr std::uint64_t kInEach = 8;  // channels of one client process

struct Client {
  Peer* peer;
  std::string name;
  Channel channel;
};

TEST_P(ManyClients, OnOneListenerUntilTheLimit) {
  if (answered_without_names()) return;
  auto listener = listen();
  std::vector<Client> clients;
  std::vector<Peer*> processes;
  const std::uint64_t wanted = subject().grows_with_clients ? kClients : 4 * kClients;
  std::string refused;
  while (clients.size() < wanted && refused.empty()) {
    if (clients.size() % kInEach == 0) processes.push_back(&start_peer());
    auto& peer = *processes.back();
    const std::string name = std::to_string(clients.size());
    const auto connecting = peer.start("connect deadline=5000 channel=" + name);
    auto accepted = listener.accept(500ms);
    if (accepted) {
      EXPECT_DONE(peer.finish(connecting));
      clients.push_back({&peer, name, *std::move(accepted)});
      continue;
    }
    // The listener's side has run out: accept is not disturbed, and the connecting side is told.
    EXPECT_CODE(accepted, Errc::timed_out);
    const Reply told = peer.finish(connecting);
    refused = told.code;
    EXPECT_GT(told.number("first"), 0U) << told;   // needed
    EXPECT_GT(told.number("second"), 0U) << told;  // limit
  }
  note("clients", clients.size());
  if (subject().grows_with_clients) {
    EXPECT_EQ(refused, "");
    EXPECT_EQ(clients.size(), kClients);
  } else {
    EXPECT_EQ(refused, "limit_reached");
    EXPECT_GE(clients.size(), 4U);
  }
  ASSERT_FALSE(HasFailure());
  // Every one of them works, both ways, at the same time.
  std::vector<Peer::Ticket> sending;
  for (const auto& client : clients)
    sending.push_back(
        client.peer->start("send count=3 size=500 stream=" + client.name + " channel=" + client.name, client.name));
  for (auto& client : clients) {
    receive(client.channel, stream({500}, std::stoull(client.name)), 0, 3);
    send(client.channel, stream({200}, std::stoull(client.name)), 0, 1);
  }
  for (std::size_t at = 0; at < clients.size(); ++at) {
    EXPECT_DONE(clients[at].peer->finish(sending[at]));
    EXPECT_DONE(clients[at].peer->call("receive size=200 stream=" + clients[at].name + " channel=" + clients[at].name));
  }
  if (stays_in_one_process() || HasFailure()) return;
  // Every second process dies, with a message half sent on each of its channels; the others don't notice.
  std::vector<Peer*> killed;
  for (std::size_t at = 0; at < processes.size(); at += 2) killed.push_back(processes[at]);
  const auto is_killed = [&](const Client& client) {
    return std::find(killed.begin(), killed.end(), client.peer) != killed.end();
  };
  for (const auto& client : clients) {
    if (!is_killed(client)) continue;
    const std::string on_it = " stream=" + client.name + " channel=" + client.name;
    EXPECT_DONE(client.peer->call("send size=200 first=3 count=2" + on_it));
    // Accepted, and more than any channel holds: most of it is a tail, in the memory of the process that dies.
    EXPECT_DONE(client.peer->call("send deadline=20 size=8388608" + on_it));
    EXPECT_FAILED(client.peer->call("send deadline=1 size=1" + on_it), Errc::timed_out);
  }
  for (auto* peer : killed) peer->kill();
  for (auto& client : clients) {
    if (is_killed(client)) {
      receive(client.channel, stream({200}, std::stoull(client.name)), 3, 2);
      EXPECT_CODE(client.channel.receive(soon()), Errc::peer_died);
    } else {
      EXPECT_DONE(client.peer->call("send size=100 first=9 stream=" + client.name + " channel=" + client.name));
      receive(client.channel, stream({100}, std::stoull(client.name)), 9, 1);
    }
  }
  std::erase_if(clients, is_killed);
  // Their room is free again: a new one gets in.
  auto& late = start_peer();
  auto channel = accept_from(listener, late);
  send(channel, stream({100}), 0, 1);
  EXPECT_DONE(late.call("receive size=100"));
}

TEST_P(ManyClients, ComingAllAtOnce) {
  if (answered_without_names()) return;
  constexpr std::uint64_t kAtOnce = 16;
  const std::uint64_t count = subject().grows_with_clients ? kAtOnce : 4;
  auto listener = listen();
  auto& first = start_peer();
  auto& second = start_peer();
  std::vector<Peer::Ticket> connecting;
  for (std::uint64_t at = 0; at < count; ++at) {
    auto& peer = at % 2 == 0 ? first : second;
    const std::string name = std::to_string(at);
    connecting.push_back(peer.start("connect deadline=10000 channel=" + name, name));
  }
  std::vector<Channel> channels;
  for (std::uint64_t at = 0; at < count; ++at) {
    auto accepted = listener.accept(soon());
    ASSERT_OK(accepted);
    channels.push_back(*std::move(accepted));
  }
  for (std::uint64_t at = 0; at < count; ++at) EXPECT_DONE((at % 2 == 0 ? first : second).finish(connecting[at]));
  for (auto& channel : channels) send(channel, stream({50}), 0, 1);
  for (std::uint64_t at = 0; at < count; ++at)
    EXPECT_DONE((at % 2 == 0 ? first : second).call("receive size=50 channel=" + std::to_string(at)));
  EXPECT_CODE(listener.accept(Deadline::now()), Errc::would_block);
}

TEST_P(ManyClients, DyingInsideConnectLetTheNextOnesIn) {
  if (answered_without_names()) return;
  if (stays_in_one_process()) return answer_one_process();
  constexpr std::size_t kWaiting = 6;  // fewer than a listener's queue holds
  auto listener = listen();
  auto& good = start_peer();
  // Nobody accepts yet: these are half-way through their handshake for sure.
  std::vector<Peer*> waiting;
  for (std::size_t at = 0; at < kWaiting; ++at) {
    waiting.push_back(&start_peer());
    const auto connecting = waiting.back()->start("connect deadline=10000");
    if (at % 2 == 0) std::this_thread::sleep_for(10ms);  // some have said their hello, some may not
    EXPECT_FALSE(waiting.back()->has_answered(connecting));
  }
  for (auto* peer : waiting) peer->kill();
  expect_served(listener, good, "1");
  // And these die at any moment, while accept runs; where it can be said by name, between the offer and the answer to it.
  Random random(test_seed());
  const std::uint64_t rounds = scaled(24, 6);
  std::uint64_t inside = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const bool at_point = round % 3 == 0 && traits().lobby && fault_points::are_built_in();
    auto& dying = start_peer(at_point ? std::vector<std::string>{"--kill-at", "after-take-offer"} : std::vector<std::string>{});
    const auto connecting = dying.start("connect deadline=10000");
    const auto after = std::chrono::microseconds(random.below(3000));
    std::thread killing([&] {
      std::this_thread::sleep_for(after);
      if (!at_point) dying.kill();
    });
    expect_served(listener, good, std::to_string(2 + round));
    killing.join();
    // The good one may have come first; the other gets as far as its point only while somebody accepts.
    const auto until = Clock::now() + patience();
    const auto has_ended = [&] { return wait_for_end(dying.process().pidfd(), milliseconds(0)).has_value(); };
    while (at_point && !has_ended() && Clock::now() < until) expect_only_dead(listener, 20ms);
    EXPECT_TRUE(!at_point || has_ended()) << "it was to die at its point";
    inside += dying.finish(connecting).done ? 0U : 1U;
    ASSERT_FALSE(HasFailure());
  }
  note("rounds", rounds);
  note("died_inside_connect", inside);
  expect_only_dead(listener, Deadline::now());
}

}  // namespace
}  // namespace sluice_test
