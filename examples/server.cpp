// A server of many clients on one thread, over as many mechanisms as it is given: it sends back what it gets. Each client gets
// its turn, and what it is owed is bounded: who is ahead of its answers is not read from meanwhile, and who takes none of them
// is disconnected.
//   server ENDPOINT... -- CLIENTS     ends when that many clients have come and gone
//   server client ENDPOINT COUNT      that many clients, each with a few messages
//   server flood ENDPOINT             a client that sends as fast as it can, and takes its answers, until it is killed
//   server deaf ENDPOINT              a client that sends and never reads, until it is disconnected
#include <array>
#include <chrono>
#include <deque>
#include <iostream>
#include <map>
#include <sluice/sluice.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using sluice::Deadline;
using sluice::Want;

constexpr int kTurn = 64;                                // messages of one client, before the next one's are looked at
constexpr std::size_t kMost = 256;                       // answers that a client has not taken: no more of its messages …
constexpr std::size_t kFewAgain = kMost / 2;             // … until they are so few
constexpr std::size_t kLargest = std::size_t{64} << 10;  // message, in bytes: a client is owed 16 MiB at most
constexpr auto kPatience = 2s;                           // with who is owed kMost and takes none

// A client, and what it is still to be sent.
struct Client {
  sluice::Channel channel;
  std::deque<std::vector<std::byte>> answers{};
  bool is_ahead{false};  // of its answers: its messages wait in the channel, and then it does
  Deadline too_slow = Deadline::never();
};

class Server {
 public:
  explicit Server(const std::vector<std::string>& endpoints) {
    sluice::Options options;
    options.max_message = kLargest;
    for (const auto& endpoint : endpoints) listeners_.push_back(sluice::listen(endpoint, options).value());
    for (auto& listener : listeners_) {
      set_.add(listener, next_key_++).value();
      std::cerr << "listening on " << listener.endpoint() << '\n';
    }
  }

  void serve(int clients) {
    std::array<sluice::Event, 64> events;
    while (gone_ < clients) {
      const auto found = set_.wait(events, next_too_slow());
      const auto count = found || found.error().code != sluice::Errc::timed_out ? found.value() : 0;
      for (const auto& event : std::span{events}.first(count)) handle(event);
      drop_too_slow();
    }
  }

 private:
  void handle(const sluice::Event& event) {
    if (event.connection) return welcome(listeners_[event.key]);
    const auto found = clients_.find(event.key);
    if (found == clients_.end()) return;
    Client& client = found->second;
    if (event.message) take_messages(client);
    if (event.message || event.room) send_answers(client);
    if (!event.ended) return;
    const auto end = client.channel.ended();
    drop(event.key, end ? sluice::name(end->code) : "it takes no more answers, and there are messages left");
  }

  void welcome(sluice::Listener& listener) {
    auto channel = listener.accept(Deadline::now());
    if (!channel) return;  // it has gone again
    const auto key = next_key_++;
    auto& client = clients_.emplace(key, Client{*std::move(channel)}).first->second;
    set_.add(client.channel, key, Want::message).value();
  }

  // What is left when the turn is over is found again by the next wait.
  static void take_messages(Client& client) {
    for (int taken = 0; taken < kTurn && client.answers.size() < kMost; ++taken) {
      const auto message = client.channel.receive(Deadline::now());
      if (!message) return;
      client.answers.push_back(message->copy());
    }
  }

  void send_answers(Client& client) {
    auto& answers = client.answers;
    const auto before = answers.size();
    while (!answers.empty() && client.channel.send(answers.front(), Deadline::now())) answers.pop_front();
    const bool was_ahead = client.is_ahead;
    client.is_ahead = answers.size() >= (was_ahead ? kFewAgain : kMost);
    if (!client.is_ahead) {
      client.too_slow = Deadline::never();
    } else if (!was_ahead || answers.size() < before) {
      client.too_slow = kPatience;
    }
    // Room is waited for only while there is something to send: it would be there all the time.
    const Want messages = client.is_ahead ? Want{} : Want::message;
    set_.change(client.channel, answers.empty() ? messages : messages | Want::room).value();
  }

  [[nodiscard]] Deadline next_too_slow() const {
    Deadline next = Deadline::never();
    for (const auto& [key, client] : clients_) next = next.or_earlier(client.too_slow);
    return next;
  }

  void drop_too_slow() {
    for (auto client = clients_.begin(); client != clients_.end();) {
      const auto here = client++;
      if (here->second.too_slow.has_passed()) drop(here->first, "too slow");
    }
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

int be_flood(const std::string& endpoint) {
  sluice::Options patient;
  patient.wait_for_listener = true;
  auto channel = sluice::connect(endpoint, 10s, patient).value();
  const auto word = sluice::as_bytes("a flood");
  const std::vector<sluice::Outgoing> batch(64, {.parts = {&word, 1}});
  std::thread sending([&] {
    while (channel.send_many(batch)) {
    }
  });
  constexpr std::uint64_t kFlooded = 10'000;  // answers: the server is at it
  std::array<sluice::Message, 64> answers;
  std::uint64_t got = 0;
  while (const auto count = channel.receive_many(answers)) {
    if (got < kFlooded && got + *count >= kFlooded) std::cout << "flooding\n" << std::flush;
    got += *count;
  }
  sending.join();
  std::cerr << "the flood has ended: " << sluice::name(channel.ended()->code) << '\n';
  return 1;
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
  if (words.size() == 2 && words[0] == "flood") return be_flood(words[1]);
  if (words.size() == 2 && words[0] == "deaf") return be_deaf(words[1]);
  if (words.size() < 3 || words[words.size() - 2] != "--") {
    std::cerr << "server ENDPOINT... -- CLIENTS | server client ENDPOINT COUNT | server flood|deaf ENDPOINT\n";
    return 2;
  }
  Server{{words.begin(), words.end() - 2}}.serve(std::stoi(words.back()));
}
