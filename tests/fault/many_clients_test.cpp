// Promise 6, with many: as many clients on one listener as the mechanism's limits allow, some of which die half-way; what is
// beyond the limits is told to those who connect.
#include "death.hpp"

namespace sluice_test {
namespace {

// Uses a limit up that all processes of the user share: it has the machine for itself.
class ManyClients : public Conformance {
 protected:
  ManyClients() : Conformance(6, UserLock::Hold::exclusive) {}
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
  // Every second process dies, with messages half sent; the others don't notice.
  std::vector<Peer*> killed;
  for (std::size_t at = 0; at < processes.size(); at += 2) {
    processes[at]->kill();
    killed.push_back(processes[at]);
  }
  const auto is_killed = [&](const Client& client) {
    return std::find(killed.begin(), killed.end(), client.peer) != killed.end();
  };
  for (auto& client : clients) {
    if (is_killed(client)) {
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

}  // namespace
}  // namespace sluice_test
