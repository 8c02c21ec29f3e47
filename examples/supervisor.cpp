// A supervisor and its eight workers: it starts them, gives each what there is to do, and starts one anew that has ended. One
// thread, one wait set for all.
//
//   supervisor NUMBER...      the workers square the numbers; 0 kills the worker that gets it, which is then started anew
#include <sluice/sluice.hpp>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kWorkers = 8;

std::string text_of(const sluice::Message& message) {
  return {reinterpret_cast<const char*>(message.bytes().data()), message.bytes().size()};
}

int fail(const sluice::Error& error) {
  (void)std::fprintf(stderr, "%s\n", sluice::describe(error).c_str());
  return 1;
}

// ---- the worker ----------------------------------------------------------------------------------------------------------

int work() {
  auto supervisor = sluice::inherited({}, 10s);
  if (!supervisor) return fail(supervisor.error());
  while (auto task = supervisor->receive()) {
    const long number = std::strtol(text_of(*task).c_str(), nullptr, 10);
    if (number == 0) std::abort();  // what a worker is supervised for
    const std::string answer = std::to_string(number) + " squared is " + std::to_string(number * number);
    if (auto sent = supervisor->send(std::as_bytes(std::span{answer}), 10s); !sent) return fail(sent.error());
  }
  // The supervisor has closed, or died: either way there is nothing left to do.
  return 0;
}

// ---- the supervisor ------------------------------------------------------------------------------------------------------

class Supervisor {
 public:
  Supervisor(std::string program, std::deque<std::string> tasks)
      : program_(std::move(program)), tasks_(std::move(tasks)), workers_(kWorkers) {}

  int run() {
    auto set = sluice::WaitSet::create();
    if (!set) return fail(set.error());
    set_.emplace(*std::move(set));
    for (std::size_t number = 0; number < kWorkers; ++number)
      if (auto started = start(number); !started) return fail(started.error());
    std::array<sluice::Event, kWorkers> events;
    while (answers_left_ > 0) {
      const auto count = set_->wait(events, 30s);
      if (!count) return fail(count.error());
      for (const auto& event : std::span{events}.first(*count))
        if (auto served = serve(event.key); !served) return fail(served.error());
    }
    std::printf("%d restarted\n", restarts_);
    return 0;
  }

 private:
  struct Worker {
    std::optional<sluice::Child> child;
    std::string task;  // empty: it has none
  };

  // Starts a worker, or starts it anew.
  sluice::Result<void> start(std::size_t number) {
    Worker& worker = workers_[number];
    worker.child.reset();  // takes it out of the set
    const std::array<std::string, 2> words{program_, "--worker"};
    auto child = sluice::spawn("pipe:", words, 10s);
    if (!child) return child.error();
    worker.child.emplace(*std::move(child));
    if (auto added = set_->add(worker.child->channel, number, sluice::Want::message); !added) return added;
    return give_task(worker);
  }

  static sluice::Result<void> send(Worker& worker) {
    auto sent = worker.child->channel.send(std::as_bytes(std::span{worker.task}), 10s);
    // One that has died meanwhile is told by the set.
    return sent || sent.error().code == sluice::Errc::peer_died ? sluice::Result<void>{} : sent;
  }

  sluice::Result<void> give_task(Worker& worker) {
    worker.task.clear();
    if (tasks_.empty()) return {};
    worker.task = std::move(tasks_.front());
    tasks_.pop_front();
    return send(worker);
  }

  sluice::Result<void> serve(std::uint64_t number) {
    Worker& worker = workers_[number];
    const auto answer = worker.child->channel.receive(sluice::Deadline::now());
    if (answer) {
      std::printf("%s\n", text_of(*answer).c_str());
      --answers_left_;
      return give_task(worker);
    }
    if (answer.error().code == sluice::Errc::would_block) return {};
    // It has ended. What it was at is not given to the next one: that would end as well.
    const auto ended = worker.child->process.wait(10s);
    if (!ended) return ended.error();
    std::printf("worker ended by signal %d over task %s\n", ended->signal.value_or(0), worker.task.c_str());
    ++restarts_;
    if (!worker.task.empty()) --answers_left_;
    return start(number);
  }

  std::string program_;
  std::deque<std::string> tasks_;
  std::size_t answers_left_{tasks_.size()};
  std::optional<sluice::WaitSet> set_;
  std::vector<Worker> workers_;
  int restarts_{0};
};

}  // namespace

int main(int count, char** words) {
  if (count == 2 && std::string_view{words[1]} == "--worker") return work();
  if (count < 2) {
    (void)std::fprintf(stderr, "usage: supervisor NUMBER...\n");
    return 2;
  }
  return Supervisor{words[0], {words + 1, words + count}}.run();
}
