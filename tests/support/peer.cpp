#include "peer.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ostream>
#include <sstream>
#include <stdexcept>

#include "watchdog.hpp"

namespace sluice_test {

std::ostream& operator<<(std::ostream& out, const Reply& reply) {
  return out << (reply.done ? "done " : "failed ") << reply.code << " " << reply.words.line();
}

Peer::Peer(const Start& start) {
  auto [ours, theirs] = ControlSocket::pair();
  control_ = std::move(ours);
  if (start.own_process) {
    Process::Start child;
    child.command = start.below;
    child.environment = start.environment;
    if (start.below.empty()) child.environment.push_back("SLUICE_TEST_PARENT=" + std::to_string(getpid()));
    child.command.insert(child.command.end(),
                         {program_folder() + "/sluice-test-peer", "peer", start.endpoint, std::to_string(start.seed)});
    child.command.insert(child.command.end(), start.options.begin(), start.options.end());
    child.control = theirs.fd();
    process_ = std::make_unique<Process>(child);
    theirs.close();
  } else {
    thread_ = std::thread([control = std::move(theirs), start]() mutable {
      Interpreter(std::move(control), {"peer", start.endpoint, start.seed, false}).run();
    });
  }
  const Reply hello = finish(0);
  pid_ = static_cast<pid_t>(hello.number("pid"));
  if (!hello) throw std::runtime_error("the test peer does not answer: " + hello.code);
  if (process_) Watchdog::instance().watch(pid_);
}

Peer::~Peer() {
  if (process_ && !ended_) {
    // A test that failed half-way leaves its peer in any state: there is nothing to wait for.
    process_.reset();
  }
  control_.shut_down();
  if (thread_.joinable()) thread_.join();
}

Peer::Ticket Peer::start(std::string_view command, std::string_view lane) {
  const Ticket ticket = ++last_ticket_;
  std::string line = std::to_string(ticket);
  line.append(" ").append(lane).append(" ").append(command);
  if (!control_.send(line)) gone_ = true;
  return ticket;
}

Peer::Ticket Peer::start(std::string_view command, std::span<const sluice::Handle> handles) {
  const Ticket ticket = ++last_ticket_;
  std::vector<int> numbers;
  for (const auto& handle : handles) numbers.push_back(static_cast<int>(handle.native()));
  std::string line = std::to_string(ticket);
  line.append(" main ").append(command);
  if (!control_.send(line, numbers)) gone_ = true;
  return ticket;
}

Reply Peer::call(std::string_view command, std::string_view lane) { return finish(start(command, lane)); }

bool Peer::has_answered(Ticket ticket) {
  while (!gone_ && !answers_.contains(ticket)) {
    const auto line = control_.receive(milliseconds(0));
    if (line) {
      take_line(*line);
    } else if (control_.timed_out()) {
      break;
    } else {
      gone_ = true;
    }
  }
  return answers_.contains(ticket);
}

Reply Peer::finish(Ticket ticket) {
  while (true) {
    if (const auto found = answers_.find(ticket); found != answers_.end()) {
      Reply reply = std::move(found->second);
      answers_.erase(found);
      return reply;
    }
    if (gone_) return {false, "peer_gone", {}};
    const auto line = control_.receive(patience());
    if (line) {
      take_line(*line);
    } else if (control_.timed_out()) {
      std::fprintf(stderr, "the peer has not answered within %lld ms\n", static_cast<long long>(patience().count()));
      if (pid_ > 0 && is_own_process()) print_stacks(pid_);
      print_stacks(getpid());
      return {false, "no_answer", {}};
    } else {
      gone_ = true;
    }
  }
}

void Peer::take_line(const std::string& line) {
  std::istringstream text(line);
  Ticket ticket = 0;
  std::string how;
  Reply reply;
  text >> ticket >> how >> reply.code;
  if (how == "progress") return;
  std::string rest;
  std::getline(text >> std::ws, rest);
  reply.done = how == "done";
  reply.words = Words(rest);
  answers_[ticket] = std::move(reply);
}

void Peer::kill() const { process_->signal(SIGKILL); }

void Peer::stop() const {
  ::kill(pid_, SIGSTOP);
  const auto until = Clock::now() + patience();
  while (!status_field(pid_, "State").starts_with("T") && Clock::now() < until) std::this_thread::sleep_for(milliseconds(1));
}

void Peer::resume() const { ::kill(pid_, SIGCONT); }

int Peer::end() {
  control_.shut_down();
  ended_ = true;
  if (thread_.joinable()) {
    thread_.join();
    return 0;
  }
  const auto status = process_->wait(patience());
  if (!status) {
    print_stacks(pid_);
    process_->signal(SIGKILL);
    return -1;
  }
  return WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

}  // namespace sluice_test
