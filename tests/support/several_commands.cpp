// The peer's commands about several messages: with one call, of several senders, lent and held. As channel_commands.cpp has
// them: all take channel=NAME and deadline=.
//
//   send-many, receive-many: send and receive, many=N at a time, of count= size=|mixed= [first=] [stream=] [handles=mixed|N]
//   receive-interleaved count= sizes=N,N… (Interleaved: so many of each sender)
//   receive-joined count= size=|mixed= [first=] [stream=] (Joined: the bytes of so many messages, however they are cut)
//   loan size= [first=] [stream=] [handles=mixed|N] (takes one, writes the message into it and keeps it)   commit   drop-loan
//   check-held [first=] [size=|mixed=] [stream=] [shared=0|1] (what receive hold=1 keeps is still what came)
//   release [newest=1]
#include <algorithm>
#include <optional>
#include <sstream>
#include <vector>

#include "batch.hpp"
#include "command_words.hpp"
#include "interleaved.hpp"
#include "joined.hpp"

namespace sluice_test {
namespace {

// ---- with one call -------------------------------------------------------------------------------------------------------

Words send_many(Interpreter& interpreter, const Words& words, const Progress& progress) {
  const auto channel = interpreter.channel(words);
  const std::uint64_t seed = seed_of(interpreter, words);
  const std::uint64_t first = words.number("first");
  const std::uint64_t count = words.number("count", 1);
  std::uint64_t calls = 0;
  for (std::uint64_t sent = 0; sent < count; ++calls) {
    const std::uint64_t some = std::min(words.number("many", 1), count - sent);
    const auto accepted =
        send_batch(*channel, seed, sizes_of(words), first + sent, some, deadline_of(words), handle_counts_of(words));
    if (!accepted) throw failure_of(accepted.error());
    sent += *accepted;
    progress();
  }
  Words answer;
  answer.set("sent", count);
  answer.set("calls", calls);
  return answer;
}

Words receive_many(Interpreter& interpreter, const Words& words, const Progress& progress) {
  const auto channel = interpreter.channel(words);
  const std::uint64_t seed = seed_of(interpreter, words);
  const std::uint64_t first = words.number("first");
  const std::uint64_t count = words.number("count", 1);
  std::vector<sluice::Message> messages(words.number("many", 1));
  std::uint64_t calls = 0;
  for (std::uint64_t received = 0; received < count; ++calls) {
    // None is held beyond the next call, which might wait for its room.
    messages.resize(std::min<std::uint64_t>(messages.size(), count - received));
    const auto some = channel->receive_many(messages, deadline_of(words));
    if (!some) throw failure_of(some.error());
    for (const auto& message : std::span(messages).first(*some)) {
      check(words, seed, first + received, message.bytes());
      if (words.has("handles")) check_handles(words, seed, first + received, message.handles());
      ++received;
    }
    progress();
  }
  Words answer;
  answer.set("received", count);
  answer.set("calls", calls);
  return answer;
}

// ---- of several senders --------------------------------------------------------------------------------------------------

std::vector<std::size_t> numbers_of(const std::string& list) {
  std::vector<std::size_t> numbers;
  std::istringstream text(list);
  for (std::string one; std::getline(text, one, ',');) numbers.push_back(std::stoull(one));
  return numbers;
}

Words receive_interleaved(Interpreter& interpreter, const Words& words, const Progress& progress) {
  const auto channel = interpreter.channel(words);
  const auto sizes = numbers_of(words.text("sizes"));
  const std::uint64_t count = words.number("count", 1);
  Interleaved interleaved(interpreter.identity().seed, sizes);
  for (std::uint64_t received = 0; received < count * sizes.size(); ++received) {
    const auto message = channel->receive(deadline_of(words));
    if (!message) throw failure_of(message.error());
    if (const auto wrong = interleaved.wrong(message->bytes()); !wrong.empty()) throw Failure{wrong, {}};
    progress();
  }
  for (const auto of_one : interleaved.received())
    if (of_one != count) throw Failure{"wrong_count", {}};
  return {};
}

// ---- without boundaries --------------------------------------------------------------------------------------------------

Words receive_joined(Interpreter& interpreter, const Words& words, const Progress& progress) {
  const auto channel = interpreter.channel(words);
  Joined joined(seed_of(interpreter, words), sizes_of(words), words.number("first"), words.number("count", 1));
  std::uint64_t pieces = 0;
  for (; !joined.is_complete(); ++pieces) {
    const auto piece = channel->receive(deadline_of(words));
    if (!piece) throw failure_of(piece.error());
    if (!joined.take(piece->bytes())) throw Failure{"wrong_content", {}};
    progress();
  }
  Words answer;
  answer.set("pieces", pieces);
  return answer;
}

// ---- lent and held -------------------------------------------------------------------------------------------------------

Words take_loan(Interpreter& interpreter, const Words& words, const Progress&) {
  auto loan = interpreter.channel(words)->loan(words.number("size"), deadline_of(words));
  if (!loan) throw failure_of(loan.error());
  const auto seed = seed_of(interpreter, words);
  const auto number = words.number("first");
  Content(seed, number).fill(loan->bytes());
  if (words.has("handles")) {
    if (const auto attached = loan->attach(make_handles(handle_counts_of(words), seed, number)); !attached)
      throw failure_of(attached.error());
  }
  interpreter.keep_loan(*std::move(loan));
  return {};
}

Words commit(Interpreter& interpreter, const Words&, const Progress&) {
  auto loan = interpreter.take_loan();
  if (!loan) throw Failure{"no_loan", {}};
  if (const auto done = loan->commit(); !done) throw failure_of(done.error());
  return {};
}

Words drop_loan(Interpreter& interpreter, const Words&, const Progress&) {
  interpreter.keep_loan(std::nullopt);
  return {};
}

// What is held, and whether it is shared with the peer as the command says.
Words check_held(Interpreter& interpreter, const Words& words, const Progress&) {
  const std::uint64_t seed = seed_of(interpreter, words);
  std::uint64_t number = words.number("first");
  interpreter.look_at_held([&](const sluice::Message& message) {
    check(words, seed, number++, message.bytes());
    if (words.has("shared") && message.shared() != (words.number("shared") == 1)) throw Failure{"shared_or_not", {}};
  });
  Words answer;
  answer.set("held", number - words.number("first"));
  return answer;
}

Words release(Interpreter& interpreter, const Words& words, const Progress&) {
  interpreter.release_held(words.has("newest"));
  return {};
}

}  // namespace

const CommandTable& several_commands() {
  static const CommandTable table{
      {"send-many", send_many},
      {"receive-many", receive_many},
      {"receive-interleaved", receive_interleaved},
      {"receive-joined", receive_joined},
      {"loan", take_loan},
      {"commit", commit},
      {"drop-loan", drop_loan},
      {"check-held", check_held},
      {"release", release},
  };
  return table;
}

}  // namespace sluice_test
