// The server of these tests: sends back what it gets, and disconnects who doesn't read that. It plays through phases, each of
// which ends when something has happened, so that the slow ones are there for sure while all others go on:
//
//   gathering  all clients come, and each is answered some times
//   filling    the slow ones come, and send until the server has taken as much of each as it wants to keep
//   crowded    they stay, and each of the others is answered some times all the same; then they are disconnected
//   freed      … and some times more; with the last answer it is told to close
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <sluice/sluice.hpp>
#include <string>
#include <vector>

#include "loops.hpp"
#include "process.hpp"

namespace sluice_test {

// Where to listen, and how many of the clients come there.
struct Share {
  std::string endpoint;
  int clients;
  std::size_t capacity;  // of their channels, in bytes a direction
};

class Server {
 public:
  // Listens, and starts the clients.
  Server(Loop& loop, const std::vector<Share>& shares);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Until every client has gone. Complains to the test of what is not as it should be.
  void serve();

  // What was seen.
  [[nodiscard]] const std::set<sluice::Shape>& shapes() const noexcept { return shapes_; }
  [[nodiscard]] std::size_t most_descriptors() const noexcept { return most_descriptors_; }

 private:
  enum class Phase : std::uint8_t { gathering, filling, crowded, freed };
  struct Client {
    sluice::Channel channel;
    std::deque<std::vector<std::byte>> answers;
    int answered{0};  // in this phase
    bool is_slow{false};
    bool is_told{false};  // to close
  };

  void start(std::vector<std::string> words);
  void handle(Key key);
  void welcome(sluice::Listener& listener);
  void note_end(Key key, Process& process);
  void move(Key key, Client& client);
  void take_questions(Client& client);
  void send_answers(Client& client);
  void look_at_phase();
  void begin(Phase phase);
  void disconnect_slow_ones();

  Loop& loop_;
  int expected_{0};
  Phase phase_{Phase::gathering};
  Key next_key_{0};
  std::map<Key, sluice::Listener> listeners_;
  std::map<Key, Client> clients_;
  std::map<Key, std::unique_ptr<Process>> processes_;
  std::set<sluice::Shape> shapes_;
  std::size_t most_descriptors_{0};
};

}  // namespace sluice_test
