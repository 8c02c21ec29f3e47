// A server of many clients on one thread, over as many mechanisms as it is given: it sends back what it gets, and disconnects
// who doesn't read what it is sent.
//   server ENDPOINT... -- CLIENTS     ends when that many clients have come and gone
//   server client ENDPOINT COUNT      that many clients, each with a few messages
//   server deaf ENDPOINT              a client that sends and never reads, until it is disconnected
#include <array>
#include <chrono>
#include <deque>
#include <iostream>
#include <map>
#include <sluice/sluice.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using sluice::Deadline;
using sluice::Want;

// A client, and what it is still to be sent.
struct Client {
  sluice::Channel channel;
  std::deque<std::vector<std::byte>> answers;
};

class Server {
 public:
  explicit Server(const std::vector<std::string>& endpoints) {
    for (const auto& endpoint : endpoints) listeners_.push_back(sluice::listen(endpoint).value());
    for (auto& listener : listeners_) {
      set_.add(listener, next_key_++).value();
      std::cerr << "listening on " << listener.endpoint() << '\n';
    }
  }

  void serve(int clients) {
    std::array<sluice::Event, 64> events;
    while (gone_ < clients) {
      const auto count = set_.wait(events).value();
      for (const auto& event : std::span{events}.first(count)) handle(event);
    }
  }

 private:
  void handle(const sluice::Event& event) {
    if (event.connection) return welcome(listeners_[event.key]);
    const auto found = clients_.find(event.key);
    if (found == clients_.end()) return;
    Client& client = found->second;
    if (event.room) send_answers(client);
    if (event.message && !take_messages(client)) return drop(event.key, "too slow");
    if (event.ended) drop(event.key, sluice::name(client.channel.ended()->code));
  }

  void welcome(sluice::Listener& listener) {
    auto channel = listener.accept(Deadline::now());
    if (!channel) return;  // it has gone again
    const auto key = next_key_++;
    auto& client = clients_.emplace(key, Client{*std::move(channel), {}}).first->second;
    set_.add(client.channel, key, Want::message).value();
  }

  // False: the client sends, and doesn't read what comes back.
  bool take_messages(Client& client) {
    constexpr std::size_t kMost = 1000;
    while (const auto message = client.channel.receive(Deadline::now())) client.answers.push_back(message->copy());
    send_answers(client);
    return client.answers.size() <= kMost;
  }

  void send_answers(Client& client) {
    auto& answers = client.answers;
    while (!answers.empty() && client.channel.send(answers.front(), Deadline::now())) answers.pop_front();
    // Room is waited for only while there is something to send: it would be there all the time.
    set_.change(client.channel, answers.empty() ? Want::message : Want::message | Want::room).value();
  }

  void drop(std::uint64_t key, std::string_view why) {
    if (why != "closed") std::cerr << "a client has ended: " << why << '\n';
    clients_.erase(key);
    ++gone_;
  }

  sluice::WaitSet set_ = sluice::WaitSet::create().value();
  std::vector<sluice::Listener> listeners_;
  std::map<std::uint64_t, Client> clients_;
  std::uint64_t next_key_{0};  // the first ones are the listeners'
  int gone_{0};
};

int be_clients(const std::string& endpoint, int count) {
  sluice::Options patient;
  patient.wait_for_listener = true;
  std::vector<sluice::Channel> channels;
  channels.reserve(static_cast<std::size_t>(count));
  for (int client = 0; client < count; ++client) channels.push_back(sluice::connect(endpoint, 10s, patient).value());
  for (const std::string text : {"one", "two", "three"}) {
    for (auto& channel : channels) channel.send(sluice::as_bytes(text), 10s).value();
    for (auto& channel : channels) {
      const auto answer = channel.receive(10s).value();
      if (sluice::as_text(answer.bytes()) != text) return 1;
    }
  }
  for (auto& channel : channels) channel.close(10s).value();
  std::cout << count << " clients were served over " << channels.front().traits().mechanism << '\n';
  return 0;
}

int be_deaf(const std::string& endpoint) {
  sluice::Options patient;
  patient.wait_for_listener = true;
  auto channel = sluice::connect(endpoint, 10s, patient).value();
  const std::string text(1000, 'x');
  constexpr int kFarTooMany = 1'000'000;
  for (int i = 0; i < kFarTooMany; ++i) {
    const auto sent = channel.send(sluice::as_bytes(text), 10s);
    if (sent) continue;
    std::cout << "a deaf client was disconnected: " << sluice::name(sent.error().code) << '\n';
    return sent.error().code == sluice::Errc::timed_out ? 1 : 0;
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 3 && words[0] == "client") return be_clients(words[1], std::stoi(words[2]));
  if (words.size() == 2 && words[0] == "deaf") return be_deaf(words[1]);
  if (words.size() < 3 || words[words.size() - 2] != "--") {
    std::cerr << "server ENDPOINT... -- CLIENTS | server client ENDPOINT COUNT | server deaf ENDPOINT\n";
    return 2;
  }
  Server{{words.begin(), words.end() - 2}}.serve(std::stoi(words.back()));
}
