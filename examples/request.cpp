// Request and reply with deadlines: each request has a number and a time to be answered in; an answer that comes too late is
// recognised by its number and let go.
//   request serve ENDPOINT    answers "NUMBER MILLISECONDS" after so long a time, until its client closes
//   request ask ENDPOINT      asks for something quick, something slow, and something quick again
#include <chrono>
#include <iostream>
#include <sluice/sluice.hpp>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;
using sluice::Deadline;
using sluice::Errc;
using sluice::Result;

class Client {
 public:
  explicit Client(const std::string& endpoint) : channel_(connect(endpoint)) {}

  // The deadline is one for all of it: sending, the server's work, and the way back.
  Result<std::string> ask(const std::string& question, Deadline deadline) {
    const std::string number = std::to_string(++last_number_) + " ";
    if (const auto sent = channel_.send({sluice::as_bytes(number), sluice::as_bytes(question)}, deadline); !sent)
      return sent.error();
    while (true) {
      const auto answer = channel_.receive(deadline);
      if (!answer) return answer.error();
      const auto text = sluice::as_text(answer->bytes());
      if (text.starts_with(number)) return std::string(text.substr(number.size()));
      ++late_;  // to an earlier question, whose deadline had passed
    }
  }
  [[nodiscard]] int late() const { return late_; }
  Result<void> close() { return channel_.close(5s); }

 private:
  static sluice::Channel connect(const std::string& endpoint) {
    sluice::Options patient;
    patient.wait_for_listener = true;
    return sluice::connect(endpoint, 10s, patient).value();
  }

  sluice::Channel channel_;
  int last_number_{0};
  int late_{0};
};

int serve(const std::string& endpoint) {
  auto listener = sluice::listen(endpoint).value();
  auto channel = listener.accept(30s).value();
  while (const auto request = channel.receive()) {
    const std::string text(sluice::as_text(request->bytes()));
    const auto space = text.find(' ');
    if (space == std::string::npos) return 1;
    std::this_thread::sleep_for(std::chrono::milliseconds(std::stoi(text.substr(space))));
    // A client that doesn't take its answers is not waited for.
    if (const auto sent = channel.send(sluice::as_bytes(text), 1s); !sent) return 1;
  }
  return channel.ended()->code == Errc::closed ? 0 : 1;
}

int ask(const std::string& endpoint) {
  Client client{endpoint};
  for (const std::string question : {"0", "300", "0"}) {
    const auto answer = client.ask(question, question == "0" ? 10s : 100ms);
    std::cout << question << ": " << (answer ? "answered" : sluice::name(answer.error().code)) << '\n';
  }
  std::cout << client.late() << " late\n";
  return client.close() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string role = argc == 3 ? argv[1] : "";
  if (role == "serve") return serve(argv[2]);
  if (role == "ask") return ask(argv[2]);
  std::cerr << "request serve ENDPOINT | request ask ENDPOINT\n";
  return 2;
}
