#include "server.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "machine.hpp"
#include "words.hpp"

namespace sluice_test {
namespace {

using sluice::Deadline;
using sluice::Errc;
using sluice::Want;

constexpr int kProcesses = 2;           // among which the clients are divided
constexpr int kSome = 3;                // answers
constexpr std::size_t kMostKept = 100;  // answers that are kept for a client: who has more is slow

std::vector<std::byte> copy_of(std::string_view text) {
  const auto bytes = sluice::as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

Server::Server(Loop& loop, const std::vector<Share>& shares) : loop_(loop) {
  for (const auto& share : shares) {
    sluice::Options options;
    options.capacity = share.capacity;
    auto& listener = listeners_.emplace(next_key_, sluice::listen(share.endpoint, options).value()).first->second;
    loop_.add(listener, next_key_++);
    expected_ += share.clients;
  }
  for (int number = 0; number < kProcesses; ++number) {
    std::vector<std::string> words{"busy"};
    auto listener = listeners_.begin();
    for (const auto& share : shares) {
      words.push_back((listener++)->second.endpoint());
      words.push_back(std::to_string((share.clients + number) / kProcesses));
    }
    start(std::move(words));
  }
}

Server::~Server() {
  for (auto& [key, client] : clients_) loop_.remove(client.channel, key);
  for (auto& [key, process] : processes_) loop_.remove(sluice::Waitable{process->pidfd()}, key);
  for (auto& [key, listener] : listeners_) loop_.remove(listener, key);
}

void Server::start(std::vector<std::string> words) {
  words.insert(words.begin(), program_folder() + "/sluice-test-client");
  auto process = std::make_unique<Process>(Process::Start{.command = std::move(words), .environment = {}});
  loop_.add(sluice::Waitable{process->pidfd()}, next_key_);
  processes_.emplace(next_key_++, std::move(process));
}

void Server::serve() {
  while ((!processes_.empty() || !clients_.empty()) && !testing::Test::HasFailure()) {
    for (const Key key : loop_.wait()) handle(key);
    look_at_phase();
  }
  EXPECT_EQ(phase_, Phase::freed);
}

void Server::handle(Key key) {
  if (const auto listener = listeners_.find(key); listener != listeners_.end()) return welcome(listener->second);
  if (const auto process = processes_.find(key); process != processes_.end()) return note_end(key, *process->second);
  if (const auto client = clients_.find(key); client != clients_.end()) move(key, client->second);
}

void Server::welcome(sluice::Listener& listener) {
  auto channel = listener.accept(Deadline::now());
  for (; channel; channel = listener.accept(Deadline::now())) {
    shapes_.insert(channel->traits().shape);
    auto& client = clients_.emplace(next_key_, Client{*std::move(channel), {}}).first->second;
    loop_.add(client.channel, next_key_++, Want::message);
  }
  EXPECT_EQ(channel.error().code, Errc::would_block) << describe(channel.error());
}

void Server::note_end(Key key, Process& process) {
  EXPECT_EQ(process.wait(patience()), 0) << "a client complains";
  loop_.remove(sluice::Waitable{process.pidfd()}, key);
  processes_.erase(key);
}

void Server::move(Key key, Client& client) {
  take_questions(client);
  send_answers(client);
  if (const auto ended = client.channel.ended()) {
    EXPECT_EQ(ended->code, Errc::closed) << describe(*ended);
    EXPECT_TRUE(client.is_told);
    loop_.remove(client.channel, key);
    clients_.erase(key);
    return;
  }
  // Room is waited for only while there is something to send: it would be there all the time.
  const Want sends = client.answers.empty() ? Want::nothing : Want::room;
  loop_.change(client.channel, key, client.is_slow ? sends : sends | Want::message);
}

void Server::take_questions(Client& client) {
  while (!client.is_slow) {
    const auto message = client.channel.receive(Deadline::now());
    if (!message) return;
    client.is_told = phase_ == Phase::freed && client.answered >= kSome;
    client.answers.push_back(client.is_told ? copy_of(kEnough) : message->copy());
    client.is_slow = client.answers.size() > kMostKept;
  }
}

void Server::send_answers(Client& client) {
  auto& answers = client.answers;
  while (!answers.empty() && client.channel.send(answers.front(), Deadline::now())) {
    answers.pop_front();
    ++client.answered;
  }
}

// ---- phases --------------------------------------------------------------------------------------------------------------

void Server::look_at_phase() {
  const auto is_slow = [](const auto& entry) { return entry.second.is_slow; };
  const auto is_busy_and_answered = [](const auto& entry) { return !entry.second.is_slow && entry.second.answered >= kSome; };
  const bool all_answered = std::ranges::count_if(clients_, is_busy_and_answered) == expected_;
  if (phase_ == Phase::gathering && all_answered) {
    begin(Phase::filling);
    std::vector<std::string> words{"slow"};
    for (const auto& [key, listener] : listeners_) words.push_back(listener.endpoint());
    start(std::move(words));
  } else if (phase_ == Phase::filling && std::ranges::count_if(clients_, is_slow) == std::ssize(listeners_)) {
    begin(Phase::crowded);
  } else if (phase_ == Phase::crowded && all_answered) {
    disconnect_slow_ones();
    begin(Phase::freed);
  }
}

void Server::begin(Phase phase) {
  phase_ = phase;
  most_descriptors_ = std::max(most_descriptors_, descriptors_of(::getpid()).size());
  for (auto& [key, client] : clients_) client.answered = 0;
}

void Server::disconnect_slow_ones() {
  for (auto client = clients_.begin(); client != clients_.end();) {
    const auto next = std::next(client);
    if (client->second.is_slow) {
      loop_.remove(client->second.channel, client->first);
      clients_.erase(client);
    }
    client = next;
  }
}

}  // namespace sluice_test
