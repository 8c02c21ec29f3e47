// The peer's commands that use the library. All take channel=NAME (default c) and deadline=never|now|MILLISECONDS.
//
//   listen [endpoint=] and what connect takes   connect [wait=1] [max_message=] [capacity=] [max_handles=] [senders=many]
//       [untrusted=1] [same]   accept
//   inherit (and what connect takes)    claims the end whose handles came with the command, as a program claims its own
//   send count= size=|mixed= [first=] [stream=] [corrupt=NUMBER] [drop=NUMBER] [parts=1|loan=EVERY] [report=PATH]
//       [handles=mixed|N] [text=1]
//   receive count=|all=1 [size=|mixed=] [first=] [stream=] [into=BYTES] [hold=1] [sizes=1] [handles=mixed|N] [text=1]
//   flush   finish   close   destroy   interrupt   advance   ended   statistics   peer
//   close-listener   interrupt-listener   drop-all (the destructors of everything)
//
// Several messages with one call, loans, and messages that are held: several_commands.cpp.
#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "command_words.hpp"
#include "shared_count.hpp"

namespace sluice_test {
namespace {

sluice::Options options_of(const Words& words) {
  sluice::Options options;
  if (words.has("max_message")) options.max_message = words.number("max_message");
  if (words.has("capacity")) options.capacity = words.number("capacity");
  if (words.has("max_handles")) options.max_handles = words.number("max_handles");
  if (words.text("senders") == "many") options.senders = sluice::Senders::many;
  options.untrusted = words.has("untrusted");
  options.wait_for_listener = words.has("wait");
  return options;
}

Words describe_channel(const sluice::Channel& channel) {
  Words words;
  if (channel.peer().process_id) words.set("peer_pid", std::to_string(*channel.peer().process_id));
  if (channel.peer().user_id) words.set("peer_uid", std::to_string(*channel.peer().user_id));
  words.set("max_message", channel.traits().max_message);
  words.set("shape", std::string(name(channel.traits().shape)));
  words.set("falls_back", channel.traits().fallback.empty() ? 0 : 1);
  return words;
}

// ---- meeting -------------------------------------------------------------------------------------------------------------

Words listen(Interpreter& interpreter, const Words& words, const Progress&) {
  auto listener = sluice::listen(words.text("endpoint", interpreter.identity().endpoint), options_of(words));
  if (!listener) throw failure_of(listener.error());
  Words answer;
  answer.set("endpoint", listener->endpoint());
  interpreter.keep_listener(std::make_shared<sluice::Listener>(*std::move(listener)));
  return answer;
}

Words accept(Interpreter& interpreter, const Words& words, const Progress&) {
  auto channel = interpreter.listener()->accept(deadline_of(words));
  if (!channel) throw failure_of(channel.error());
  auto answer = describe_channel(*channel);
  interpreter.keep_channel(words, *std::move(channel));
  return answer;
}

Words connect(Interpreter& interpreter, const Words& words, const Progress&) {
  auto channel =
      sluice::connect(words.text("endpoint", interpreter.identity().endpoint), deadline_of(words), options_of(words));
  if (!channel) throw failure_of(channel.error());
  auto answer = describe_channel(*channel);
  interpreter.keep_channel(words, *std::move(channel));
  return answer;
}

Words inherit(Interpreter& interpreter, const Words& words, const Progress&) {
  const std::string& endpoint = interpreter.identity().endpoint;
  std::string value = endpoint.substr(0, endpoint.find(':') + 1);
  const auto options = endpoint.find('?');
  const char* separator = "";
  for (auto& handle : interpreter.take_handles()) {
    value += separator + std::to_string(handle.release());
    separator = ",";
  }
  if (options != endpoint.npos) value += endpoint.substr(options);  // a framing, which both have to know
  setenv("SLUICE_INHERITED", value.c_str(), 1);
  auto channel = sluice::inherited({}, deadline_of(words), options_of(words));
  if (!channel) throw failure_of(channel.error());
  auto answer = describe_channel(*channel);
  interpreter.keep_channel(words, *std::move(channel));
  return answer;
}

// ---- messages ------------------------------------------------------------------------------------------------------------

// One message, as the command says.
sluice::Result<void> send_one(sluice::Channel& channel, const Words& words, std::span<const std::byte> bytes,
                              std::uint64_t seed, std::uint64_t number, sluice::Deadline deadline) {
  if (words.has("loan") && number % words.number("loan") == 0) {
    auto loan = channel.loan(bytes.size(), deadline);
    if (!loan) return loan.error();
    std::ranges::copy(bytes, loan->bytes().begin());
    if (words.has("handles")) {
      // Duplicated here: ours may be closed before the commit.
      if (auto attached = loan->attach(make_handles(handle_counts_of(words), seed, number)); !attached) return attached;
    }
    return loan->commit();
  }
  const std::array parts{bytes.first(bytes.size() / 3), bytes.subspan(bytes.size() / 3)};
  if (words.has("handles")) {
    const auto handles = make_handles(handle_counts_of(words), seed, number);
    return channel.send({.parts = parts, .handles = handles}, deadline);
  }
  return words.has("parts") ? channel.send({parts[0], parts[1]}, deadline) : channel.send(bytes, deadline);
}

Words send(Interpreter& interpreter, const Words& words, const Progress& progress) {
  const auto channel = interpreter.channel(words);
  const std::uint64_t seed = seed_of(interpreter, words);
  const Sizes sizes = sizes_of(words);
  const std::uint64_t first = words.number("first");
  const std::uint64_t count = words.number("count", 1);
  std::vector<std::byte> bytes;
  std::optional<SharedCount> report;  // of messages that are in the channel, to their last byte
  if (words.has("report")) report.emplace(words.text("report"));
  Words answer;
  for (std::uint64_t sent = 0; sent < count; ++sent) {
    const std::uint64_t number = first + sent;
    if (words.has("drop") && words.number("drop") == number) continue;  // for the harness's own test
    bytes.resize(sizes.of(seed, number));
    content_of(words, seed, number).fill(bytes);
    if (words.has("corrupt") && words.number("corrupt") == number && !bytes.empty()) bytes.back() ^= std::byte{1};
    const auto deadline = deadline_of(words);
    const auto done = send_one(*channel, words, bytes, seed, number, deadline);
    answer.set("sent", sent + (done ? 1 : 0));
    if (!done) throw failure_of(done.error(), answer);
    // A send that its deadline has ended may have left a tail in this process, and that dies with it.
    if (report && !deadline.has_passed()) report->store(sent + 1);
    progress();
  }
  return answer;
}

// One message, into the caller's memory or as a view; its size.
sluice::Result<std::size_t> receive_one(Interpreter& interpreter, const Words& words, sluice::Channel& channel,
                                        std::vector<std::byte>& room, std::uint64_t seed, std::uint64_t number) {
  if (words.has("into")) {
    room.resize(words.number("into"));
    auto received = channel.receive_into(room, deadline_of(words));
    if (!received) return received.error();
    check(words, seed, number, std::span(room).first(received->size));
    if (words.has("handles")) check_handles(words, seed, number, received->handles);
    return received->size;
  }
  auto message = channel.receive(deadline_of(words));
  if (!message) return message.error();
  check(words, seed, number, message->bytes());
  if (words.has("handles")) check_handles(words, seed, number, message->handles());
  const std::size_t size = message->bytes().size();
  if (words.has("hold")) interpreter.hold(*std::move(message));
  return size;
}

Words receive(Interpreter& interpreter, const Words& words, const Progress& progress) {
  const auto channel = interpreter.channel(words);
  const std::uint64_t seed = seed_of(interpreter, words);
  const std::uint64_t first = words.number("first");
  const bool all = words.has("all");
  const std::uint64_t count = words.number("count", 1);
  std::vector<std::byte> room;
  std::uint64_t received = 0;
  std::uint64_t total = 0;
  const auto so_far = [&] {
    Words answer;
    answer.set("received", received);
    answer.set("bytes", total);
    return answer;
  };
  while (all || received < count) {
    const auto size = receive_one(interpreter, words, *channel, room, seed, first + received);
    if (!size) {
      auto answer = so_far();
      const auto code = size.error().code;
      if (!all || (code != sluice::Errc::closed && code != sluice::Errc::peer_died)) throw failure_of(size.error(), answer);
      answer.set("code", sluice::name(code));
      return answer;
    }
    ++received;
    total += *size;
    progress();
  }
  return so_far();
}

// ---- the rest of a channel's life ----------------------------------------------------------------------------------------

using Ending = sluice::Result<void> (sluice::Channel::*)(sluice::Deadline);

template <Ending ending>
Words end(Interpreter& interpreter, const Words& words, const Progress&) {
  const auto channel = interpreter.channel(words);
  if (const auto done = ((*channel).*ending)(deadline_of(words)); !done) throw failure_of(done.error());
  return {};
}

Words destroy(Interpreter& interpreter, const Words& words, const Progress&) {
  interpreter.take_channel(words).reset();
  return {};
}

Words interrupt(Interpreter& interpreter, const Words& words, const Progress&) {
  interpreter.channel(words)->interrupt();
  return {};
}

Words advance(Interpreter& interpreter, const Words& words, const Progress&) {
  interpreter.channel(words)->advance();
  return {};
}

Words ended(Interpreter& interpreter, const Words& words, const Progress&) {
  Words answer;
  const auto error = interpreter.channel(words)->ended();
  answer.set("code", error ? sluice::name(error->code) : std::string_view("none"));
  return answer;
}

Words statistics(Interpreter& interpreter, const Words& words, const Progress&) {
  const auto counted = interpreter.channel(words)->statistics();
  Words answer;
  answer.set("messages_sent", counted.messages_sent);
  answer.set("messages_received", counted.messages_received);
  answer.set("bytes_sent", counted.bytes_sent);
  answer.set("bytes_received", counted.bytes_received);
  answer.set("known_taken", counted.known_taken);
  answer.set("unknown", counted.unknown);
  answer.set("waits_sending", counted.waits_sending);
  answer.set("waits_receiving", counted.waits_receiving);
  answer.set("wake_ups_sent", counted.wake_ups_sent);
  answer.set("wake_ups_received", counted.wake_ups_received);
  return answer;
}

Words close_listener(Interpreter& interpreter, const Words&, const Progress&) {
  interpreter.listener()->close();
  interpreter.keep_listener(nullptr);
  return {};
}

Words drop_all(Interpreter& interpreter, const Words&, const Progress&) {
  interpreter.drop_everything();
  return {};
}

Words interrupt_listener(Interpreter& interpreter, const Words&, const Progress&) {
  interpreter.listener()->interrupt();
  return {};
}

}  // namespace

const CommandTable& channel_commands() {
  static const CommandTable table{
      {"listen", listen},
      {"accept", accept},
      {"connect", connect},
      {"inherit", inherit},
      {"send", send},
      {"receive", receive},
      {"flush", end<&sluice::Channel::flush>},
      {"finish", end<&sluice::Channel::finish>},
      {"close", end<&sluice::Channel::close>},
      {"destroy", destroy},
      {"interrupt", interrupt},
      {"advance", advance},
      {"ended", ended},
      {"statistics", statistics},
      {"close-listener", close_listener},
      {"interrupt-listener", interrupt_listener},
      {"drop-all", drop_all},
  };
  return table;
}

}  // namespace sluice_test
