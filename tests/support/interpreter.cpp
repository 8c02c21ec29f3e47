#include "interpreter.hpp"

#include <unistd.h>

#include <algorithm>
#include <new>
#include <sstream>
#include <utility>

namespace sluice_test {
namespace {

const Interpreter::Command* find_command(std::string_view verb) {
  for (const CommandTable* table : {&channel_commands(), &several_commands(), &process_commands()})
    if (const auto found = table->find(verb); found != table->end()) return &found->second;
  return nullptr;
}

}  // namespace

Failure failure_of(const sluice::Error& error, Words words) {
  words.set("step", static_cast<std::uint64_t>(error.step));
  words.set("os", std::to_string(error.os_code));
  words.set("first", std::to_string(error.first));
  words.set("second", std::to_string(error.second));
  return {std::string(sluice::name(error.code)), std::move(words)};
}

sluice::Deadline deadline_of(const Words& words, std::string_view key) {
  const std::string text = words.text(key, "never");
  if (text == "never") return sluice::Deadline::never();
  if (text == "now") return sluice::Deadline::now();
  return std::chrono::milliseconds(words.number(key));
}

Interpreter::Interpreter(ControlSocket control, Identity identity)
    : control_(std::move(control)), identity_(std::move(identity)) {}

Interpreter::~Interpreter() = default;

void Interpreter::run() {
  Words hello;
  hello.set("pid", static_cast<std::uint64_t>(getpid()));
  say("0 done hello " + hello.line());
  while (auto line = control_.receive()) {
    std::istringstream words(*line);
    std::string id;
    std::string name;
    words >> id >> name;
    const std::lock_guard lock(mutex_);
    for (const int handle : control_.take_handles()) handles_.emplace_back(handle);
    auto& lane = lanes_[name];
    if (!lane) {
      lane = std::make_unique<Lane>();
      lane->thread = std::thread([this, &lane = *lane] { run_lane(lane); });
    }
    lane->lines.push_back(std::move(*line));
    lane->arrived.notify_one();
  }
  drop_everything();
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    for (auto& [name, lane] : lanes_) lane->arrived.notify_one();
  }
  for (auto& [name, lane] : lanes_) lane->thread.join();
}

void Interpreter::run_lane(Lane& lane) {
  std::unique_lock lock(mutex_);
  while (true) {
    lane.arrived.wait(lock, [&] { return ending_ || !lane.lines.empty(); });
    if (lane.lines.empty()) return;
    const std::string line = std::move(lane.lines.front());
    lane.lines.pop_front();
    lock.unlock();
    do_line(line);
    lock.lock();
  }
}

void Interpreter::do_line(const std::string& line) {
  std::istringstream text(line);
  std::string id;
  std::string lane;
  std::string verb;
  text >> id >> lane >> verb;
  std::string rest;
  std::getline(text >> std::ws, rest);
  auto last_progress = Clock::now();
  const auto progress = [&] {
    constexpr std::chrono::seconds kBetween{1};
    const auto now = Clock::now();
    if (now - last_progress < kBetween) return;
    last_progress = now;
    say(id + " progress still");
  };
  try {
    const Command* command = find_command(verb);
    if (command == nullptr) throw Failure{"unknown_command", {}};
    say(id + " done " + verb + " " + (*command)(*this, Words(rest), progress).line());
  } catch (const Failure& failure) {
    say(id + " failed " + failure.code + " " + failure.words.line());
  } catch (const std::bad_alloc&) {
    say(id + " failed bad_alloc");
  }
}

void Interpreter::say(const std::string& line) {
  const std::lock_guard lock(say_mutex_);
  control_.send(line);
}

std::shared_ptr<sluice::Channel> Interpreter::channel(const Words& words) {
  const std::lock_guard lock(mutex_);
  const auto found = channels_.find(words.text("channel", "c"));
  if (found == channels_.end()) throw Failure{"no_such_channel", {}};
  return found->second;
}

void Interpreter::keep_channel(const Words& words, sluice::Channel channel) {
  auto kept = std::make_shared<sluice::Channel>(std::move(channel));
  const std::lock_guard lock(mutex_);
  channels_[words.text("channel", "c")].swap(kept);
}

std::shared_ptr<sluice::Channel> Interpreter::take_channel(const Words& words) {
  const std::lock_guard lock(mutex_);
  const auto found = channels_.find(words.text("channel", "c"));
  if (found == channels_.end()) throw Failure{"no_such_channel", {}};
  auto taken = std::move(found->second);
  channels_.erase(found);
  return taken;
}

std::shared_ptr<sluice::Listener> Interpreter::listener() {
  const std::lock_guard lock(mutex_);
  if (!listener_) throw Failure{"no_listener", {}};
  return listener_;
}

void Interpreter::keep_listener(std::shared_ptr<sluice::Listener> listener) {
  const std::lock_guard lock(mutex_);
  listener_.swap(listener);
}

std::vector<sluice::Handle> Interpreter::take_handles() {
  const std::lock_guard lock(mutex_);
  return std::exchange(handles_, {});
}

void Interpreter::hold(sluice::Message message) {
  const std::lock_guard lock(mutex_);
  held_.push_back(std::move(message));
}

void Interpreter::look_at_held(const std::function<void(const sluice::Message&)>& look) {
  const std::lock_guard lock(mutex_);
  for (const auto& message : held_) look(message);
}

void Interpreter::release_held(bool newest_first) {
  std::vector<sluice::Message> held;
  {
    const std::lock_guard lock(mutex_);
    held.swap(held_);
  }
  if (newest_first) std::reverse(held.begin(), held.end());
  for (auto& message : held) message = {};
}

void Interpreter::keep_loan(std::optional<sluice::Loan> loan) {
  const std::lock_guard lock(mutex_);
  loan_ = std::move(loan);
}

std::optional<sluice::Loan> Interpreter::take_loan() {
  const std::lock_guard lock(mutex_);
  return std::exchange(loan_, std::nullopt);
}

void Interpreter::drop_everything() {
  release_held(false);
  keep_loan(std::nullopt);  // before its channel
  std::map<std::string, std::shared_ptr<sluice::Channel>> channels;
  std::shared_ptr<sluice::Listener> listener;
  {
    const std::lock_guard lock(mutex_);
    channels.swap(channels_);
    listener.swap(listener_);
  }
  // Lanes may wait in these: closing, from this thread, wakes them.
  for (auto& [name, channel] : channels)
    if (channel.use_count() > 1) (void)channel->close(sluice::Deadline::now());
  if (listener && listener.use_count() > 1) listener->close();
}

}  // namespace sluice_test
