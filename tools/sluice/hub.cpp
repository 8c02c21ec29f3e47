// All conversations of a command on one thread: who waits for what, what standard input and the programs say, and who has
// ended.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "conversation.hpp"

namespace tool {

namespace {

using sluice::Deadline;
using sluice::Errc;
using sluice::Want;

constexpr auto kFarewell = std::chrono::seconds(2);  // for a peer to take what was sent, once all is said
constexpr std::size_t kReadAtOnce = std::size_t{64} << 10;

class Hub {
 public:
  explicit Hub(const ConversationOptions& options) : options_(options), input_(options.form) {}

  std::expected<void, Failure> serve(std::optional<sluice::Listener> listener, std::optional<sluice::Channel> channel);

 private:
  using Key = std::uint64_t;
  static constexpr Key kListener = 0;
  static constexpr Key kInput = 1;
  static constexpr Key kFirst = 2;  // each conversation has three keys: of its channel, its program's output and its input
  static constexpr Key kKeys = 3;

  std::expected<void, Failure> start(sluice::Channel channel);
  std::expected<void, Failure> accept();
  std::expected<void, Failure> turn();
  std::expected<void, Failure> wait();
  std::expected<void, Failure> handle(const sluice::Event& event);
  void give_from_standard_input();
  void give_from_program(Conversation& one);
  void read_standard_input();
  void read_program(Conversation& one);
  void print(Conversation& one);
  std::expected<void, Failure> end_finished();
  [[nodiscard]] bool has_parted(Conversation& one);
  void end_program(Conversation& one);
  void watch(Conversation& one);
  void watch_others();
  void set_watched(bool& is_watched, bool shall_be, sluice::Waitable waitable, Key key);
  [[nodiscard]] bool wants_listener() const;
  [[nodiscard]] bool wants_input() const;
  [[nodiscard]] bool is_next_message_due() const;
  void fail(Failure failure) {
    if (!failed_) failed_ = std::move(failure);
  }

  struct Watched {
    std::optional<Want> want;  // nothing: its channel isn't in the set
    bool output{false};        // its program's
    bool input{false};
  };

  const ConversationOptions& options_;
  std::optional<sluice::WaitSet> set_;
  std::optional<sluice::Listener> listener_;
  bool listener_watched_{false};
  std::unique_ptr<InStream> standard_input_;
  std::unique_ptr<OutStream> standard_output_;
  Splitter input_;  // of standard input
  bool input_watched_{false};
  bool input_always_ready_{false};  // a file: there is nothing to wait for
  bool input_ready_{false};
  std::map<Key, std::unique_ptr<Conversation>> conversations_;  // by their first keys
  std::map<Key, Watched> watched_;
  std::vector<std::unique_ptr<Program>> ending_;  // those whose conversation is over
  Key next_key_{kFirst};
  bool found_something_{false};         // in the last turn: so look again before waiting
  std::optional<Deadline> idle_until_;  // while nobody is there
  std::optional<Failure> failed_;
};

std::expected<void, Failure> failed_with(const sluice::Error& error, const std::string& endpoint) {
  return std::unexpected(failure(error, endpoint));
}

std::expected<void, Failure> Hub::serve(std::optional<sluice::Listener> listener, std::optional<sluice::Channel> channel) {
  auto set = sluice::WaitSet::create();
  if (!set) return failed_with(set.error(), options_.endpoint);
  set_ = *std::move(set);
  if (!options_.command) {
    standard_input_ = standard_input();
    standard_output_ = standard_output();
  }
  listener_ = std::move(listener);
  if (channel) {
    if (auto started = start(*std::move(channel)); !started) return started;
  }
  while (listener_ || !conversations_.empty()) {
    if (auto turned = turn(); !turned) return turned;
  }
  for (const auto& program : ending_) {
    if (const auto how = program->wait(); !how.empty()) fail({Exit::failed, fmt::format("{} {}", *options_.command, how)});
  }
  return failed_ ? std::expected<void, Failure>(std::unexpected(*failed_)) : std::expected<void, Failure>();
}

std::expected<void, Failure> Hub::turn() {
  found_something_ = false;
  if (!options_.command) give_from_standard_input();
  for (auto& [key, one] : conversations_) {
    if (one->program) give_from_program(*one);
    const bool had_pending = one->has_pending();
    one->move();
    if (had_pending && !one->has_pending()) found_something_ = true;  // the next one may be there already
    print(*one);
  }
  if (failed_) return std::unexpected(*failed_);
  if (auto ended = end_finished(); !ended) return ended;
  if (!listener_ && conversations_.empty()) return {};
  for (auto& [key, one] : conversations_) watch(*one);
  watch_others();
  return wait();
}

std::expected<void, Failure> Hub::wait() {
  std::array<sluice::Event, 64> events;
  if (!conversations_.empty()) idle_until_.reset();
  if (conversations_.empty() && !idle_until_)
    idle_until_ = options_.timeout ? Deadline(std::chrono::duration<double>(*options_.timeout)) : Deadline::never();
  auto deadline = idle_until_.value_or(Deadline::never());
  for (const auto& [key, one] : conversations_) deadline = deadline.or_earlier(one->parts_until().value_or(Deadline::never()));
  if (found_something_ || (input_always_ready_ && wants_input())) deadline = Deadline::now();
  if (input_always_ready_) input_ready_ = true;
  const auto count = set_->wait(events, deadline);
  const bool is_late = !count && count.error().code == Errc::timed_out;
  if (is_late && !conversations_.empty()) return {};  // one has had its time to part
  if (!count && count.error().code == Errc::would_block) return {};
  if (is_late) return failed_with({Errc::timed_out, sluice::Step::accept, 0, 0, 0}, options_.endpoint);
  if (!count) return failed_with(count.error(), options_.endpoint);
  for (const auto& event : std::span(events).first(*count)) {
    if (auto handled = handle(event); !handled) return handled;
  }
  return {};
}

// Channels, and the inputs of programs, are looked at in each turn.
std::expected<void, Failure> Hub::handle(const sluice::Event& event) {
  if (event.key == kListener) return accept();
  if (event.key == kInput) input_ready_ = true;
  if (event.key < kFirst) return {};
  const Key part = (event.key - kFirst) % kKeys;
  const auto found = conversations_.find(event.key - part);
  if (found == conversations_.end()) return {};
  if (part == 0 && event.ended) found->second->look_at_end(watched_[found->first].want == Want::nothing);
  if (part == 1) read_program(*found->second);
  return {};
}

// ---- conversations begin and end -----------------------------------------------------------------------------------------

std::expected<void, Failure> Hub::accept() {
  auto channel = listener_->accept(Deadline::now());
  if (!channel && channel.error().code == Errc::would_block) return {};
  if (!channel) return failed_with(channel.error(), options_.endpoint);
  if (options_.clients == Clients::one) {
    // A second one must not wait in vain.
    if (listener_watched_) (void)set_->remove(*listener_);
    listener_watched_ = false;
    listener_.reset();
  }
  return start(*std::move(channel));
}

std::expected<void, Failure> Hub::start(sluice::Channel channel) {
  auto one = std::make_unique<Conversation>(std::move(channel), options_.form);
  one->key = std::exchange(next_key_, next_key_ + kKeys);
  if (options_.command) {
    auto program = start_program(*options_.command);
    if (!program)
      return std::unexpected(Failure{Exit::failed, fmt::format("can't start {}: {}", *options_.command, program.error())});
    one->program = *std::move(program);
    one->input = std::make_unique<Splitter>(options_.form);
  }
  watched_[one->key] = {};
  conversations_[one->key] = std::move(one);
  found_something_ = true;
  return {};
}

std::expected<void, Failure> Hub::end_finished() {
  for (auto at = conversations_.begin(); at != conversations_.end();) {
    Conversation& one = *at->second;
    // What was received is printed first.
    const bool is_printed = one.received().empty() || !one.program || !one.program->input;
    if (!one.is_over() || !is_printed || !has_parted(one)) {
      ++at;
      continue;
    }
    const auto failed = one.failure();
    watched_.erase(at->first);
    at = conversations_.erase(at);  // and takes its channel out of the set
    if (!failed) continue;
    auto why = failure(*failed, options_.endpoint);
    if (options_.clients == Clients::one) {
      for (const auto& program : ending_) (void)program->wait();
      return std::unexpected(std::move(why));
    }
    complain(why.text);
  }
  std::erase_if(ending_, [&](const auto& program) {
    if (options_.clients == Clients::one || !program->has_ended()) return false;
    if (const auto how = program->wait(); !how.empty()) complain(fmt::format("{} {}", *options_.command, how));
    return true;
  });
  return {};
}

// Whether there is nothing left to be done for one that is over. The peer has some time to take what was sent; beside others
// that is waited for in the set, for a peer that is stopped delays nobody.
bool Hub::has_parted(Conversation& one) {
  if (!one.parts_until()) {
    one.part(kFarewell);
    end_program(one);
  }
  if (options_.clients == Clients::all) return one.has_parted();
  if (std::exchange(watched_[one.key].want, std::nullopt)) (void)set_->remove(one.channel());
  one.close();
  return true;
}

void Hub::end_program(Conversation& one) {
  if (!one.program) return;
  Watched& watched = watched_[one.key];
  set_watched(watched.output, false, one.program->output ? one.program->output->waitable() : sluice::Waitable{}, one.key + 1);
  set_watched(watched.input, false, one.program->input ? one.program->input->waitable() : sluice::Waitable{}, one.key + 2);
  one.program->input.reset();
  one.program->output.reset();
  if (one.failure()) one.program->terminate();  // nobody is there any more for what it does
  ending_.push_back(std::move(one.program));
}

// ---- input and output ----------------------------------------------------------------------------------------------------

// The next messages of standard input, to all who are there; the next one when all have taken the last.
void Hub::give_from_standard_input() {
  if (conversations_.empty()) return;
  if (std::exchange(input_ready_, false) && wants_input()) read_standard_input();
  std::uint64_t most = UINT64_MAX;
  for (auto& [key, one] : conversations_) most = std::min(most, one->most());
  for (int count = 0; count < kMessagesPerTurn && is_next_message_due(); ++count) {
    auto message = input_.next(most);
    if (!message) return fail({Exit::failed, message.error()});
    if (!*message) {
      if (input_.has_ended())
        for (auto& [key, one] : conversations_) one->end_input();
      return;
    }
    found_something_ = true;
    const auto shared = std::make_shared<const std::string>(**std::move(message));
    for (auto& [key, one] : conversations_) {
      if (one->is_over() || !one->needs_message()) continue;
      one->give(shared);
      one->move();
    }
  }
}

void Hub::read_standard_input() {
  std::array<std::byte, kReadAtOnce> room;
  const auto got = standard_input_->read(room);
  if (!got) return fail({Exit::failed, "can't read standard input: " + got.error()});
  found_something_ = true;
  if (*got == 0) return input_.end();
  input_.feed(std::span(room).first(*got));
}

void Hub::give_from_program(Conversation& one) {
  for (int count = 0; count < kMessagesPerTurn && one.needs_message(); ++count) {
    auto message = one.input->next(one.most());
    if (!message) return fail({Exit::failed, fmt::format("{}: {}", *options_.command, message.error())});
    if (!*message) {
      if (one.input->has_ended()) one.end_input();
      return;
    }
    found_something_ = true;
    one.give(std::make_shared<const std::string>(**std::move(message)));
    one.move();
  }
}

void Hub::read_program(Conversation& one) {
  std::array<std::byte, kReadAtOnce> room;
  if (!one.program || !one.program->output) return;
  const auto got = one.program->output->read(room);
  if (got && *got != 0) return one.input->feed(std::span(room).first(*got));
  one.input->end();
  set_watched(watched_[one.key].output, false, one.program->output->waitable(), one.key + 1);
  one.program->output.reset();
}

// What was received goes to standard output or to the program; what that doesn't take yet stays, and holds up the sender.
void Hub::print(Conversation& one) {
  OutStream* const out = one.program ? one.program->input.get() : standard_output_.get();
  std::string& text = one.received();
  if (out != nullptr && !text.empty()) {
    const auto written = out->write(sluice::as_bytes(text));
    if (!written && !one.program) return fail({Exit::failed, "standard output can't be written: " + written.error()});
    found_something_ = found_something_ || (written && *written != 0);
    text.erase(0, written ? *written : text.size());
    if (!written) one.stop_listening();  // a program that reads no more has had enough
  }
  if (!one.program) return;
  if (one.program->input && text.empty() && one.has_heard_all()) {
    set_watched(watched_[one.key].input, false, one.program->input->waitable(), one.key + 2);
    one.program->input.reset();
  }
}

// ---- what is waited for --------------------------------------------------------------------------------------------------

bool Hub::wants_listener() const { return listener_ && (options_.clients == Clients::all || conversations_.empty()); }

// Somebody is there to take it, and nobody has not taken the last one yet.
bool Hub::is_next_message_due() const {
  const auto needs = [](const auto& entry) { return entry.second->needs_message(); };
  const auto has_pending = [](const auto& entry) { return entry.second->has_pending(); };
  return std::ranges::any_of(conversations_, needs) && std::ranges::none_of(conversations_, has_pending);
}

bool Hub::wants_input() const { return standard_input_ && !input_.has_ended() && is_next_message_due(); }

void Hub::set_watched(bool& is_watched, bool shall_be, sluice::Waitable waitable, Key key) {
  if (is_watched == shall_be || !waitable) return;
  if (!shall_be) {
    (void)set_->remove(waitable);
    is_watched = false;
  } else if (const auto added = set_->add(waitable, key); added) {
    is_watched = true;
  } else {
    fail(failure(added.error(), options_.endpoint));
  }
}

void Hub::watch(Conversation& one) {
  Watched& watched = watched_[one.key];
  const auto want = one.want();
  if (want != watched.want) {
    sluice::Result<void> done;
    if (!want) {
      done = set_->remove(one.channel());
    } else if (watched.want) {
      done = set_->change(one.channel(), *want);
    } else {
      done = set_->add(one.channel(), one.key, *want);
    }
    watched.want = want;
    if (!done) fail(failure(done.error(), options_.endpoint));
  }
  if (!one.program) return;
  if (one.program->output) set_watched(watched.output, one.needs_message(), one.program->output->waitable(), one.key + 1);
  if (one.program->input) set_watched(watched.input, !one.received().empty(), one.program->input->waitable(), one.key + 2);
}

void Hub::watch_others() {
  if (listener_ && wants_listener() != listener_watched_) {
    listener_watched_ = wants_listener();
    const auto done = listener_watched_ ? set_->add(*listener_, kListener) : set_->remove(*listener_);
    if (!done) fail(failure(done.error(), options_.endpoint));
  }
  if (!standard_input_ || input_always_ready_ || wants_input() == input_watched_) return;
  if (input_watched_) {
    (void)set_->remove(standard_input_->waitable());
    input_watched_ = false;
  } else if (set_->add(standard_input_->waitable(), kInput)) {
    input_watched_ = true;
  } else {
    input_always_ready_ = input_ready_ = true;  // a regular file, which no event loop waits for (epoll_ctl(2), EPERM)
    found_something_ = true;
  }
}

}  // namespace

std::expected<void, Failure> converse(sluice::Channel channel, const ConversationOptions& options) {
  return Hub(options).serve(std::nullopt, std::move(channel));
}

std::expected<void, Failure> converse(sluice::Listener listener, const ConversationOptions& options) {
  return Hub(options).serve(std::move(listener), std::nullopt);
}

}  // namespace tool
