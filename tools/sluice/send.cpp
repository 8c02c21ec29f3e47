// sluice send: reads files and sends them over a channel, by the protocol in transfer.hpp; done when the receiver has
// confirmed each of them with a digest that agrees.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <sluice/channel.hpp>
#include <span>
#include <utility>
#include <vector>

#include "command.hpp"
#include "digest.hpp"
#include "inbox.hpp"
#include "meet.hpp"
#include "outcome.hpp"
#include "progress.hpp"
#include "source.hpp"
#include "transfer.hpp"

namespace tool {

namespace {

constexpr std::string_view kExamples =
    "Each file is sent whole; its line \"DIGEST  NAME\" is printed once the receiver has confirmed it (XXH3-128, as xxhsum "
    "-H2\n"
    "prints it). Sender and receiver may be started in any order.\n"
    "\n"
    "Examples:\n"
    "  sluice send unix:/tmp/meet film.mkv subtitles.srt\n"
    "  sluice send shm:meet --progress disk.img\n"
    "  tar -c photos | sluice send mq:/meet --as photos.tar -\n"
    "  sluice send pipe: film.mkv --exec 'sluice receive pipe: --into /tmp'";

constexpr std::string_view kStandardInput = "-";
constexpr double kDefaultTimeout = 5;                        // seconds
constexpr std::size_t kDefaultChunk = std::size_t{1} << 20;  // large enough that a message's own cost vanishes
// How long a farewell may take once everything is confirmed, or has failed.
constexpr auto kFarewell = std::chrono::seconds(2);

struct SendOptions {
  Common common;
  std::vector<std::string> files;
  std::optional<std::string> as;
  std::optional<std::string> command;  // started with the other end
  std::size_t chunk{kDefaultChunk};
};

using Done = std::expected<void, Failure>;
using Bytes = std::span<const std::byte>;

// What the receiver says of one file: its confirmation, or why it refused.
struct Answer {
  std::optional<transfer::Confirm> confirm;
  std::string refused;
};

// The sender's side of one conversation.
class Sending {
 public:
  Sending(sluice::Channel& channel, const SendOptions& options, Outcomes& outcomes)
      : channel_(channel), inbox_(channel), options_(options), outcomes_(outcomes), progress_(options.common.show()) {
    // A chunk and its head are one message. A channel too small for even that fails at the hello already.
    const std::uint64_t room = std::max<std::uint64_t>(channel.traits().max_message, transfer::kHeadSize + 1);
    buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(options.chunk, room - transfer::kHeadSize)));
  }

  // Greets, then sends all files; what became of each is in the outcomes.
  Done run();

 private:
  Done greet();
  Done send_file(const std::string& path);
  std::expected<Answer, Failure> send_content(Source& source, FileOutcome& outcome);
  std::expected<Answer, Failure> drop(const std::string& why);
  std::expected<Answer, Failure> await_answer();
  std::expected<std::optional<Answer>, Failure> early_answer();
  std::expected<Answer, Failure> answer_from(Bytes bytes) const;
  Done put(std::initializer_list<Bytes> parts);
  [[nodiscard]] std::unexpected<Failure> broken(std::string_view how) const;
  [[nodiscard]] std::unexpected<Failure> lost(const sluice::Error& error) const;

  sluice::Channel& channel_;
  Inbox inbox_;
  const SendOptions& options_;
  Outcomes& outcomes_;
  Progress progress_;
  std::vector<std::byte> buffer_;
  std::uint32_t file_{0};  // the number of the current file
};

Done Sending::run() {
  if (auto greeted = greet(); !greeted) return greeted;
  for (const std::string& path : options_.files)
    if (auto sent = send_file(path); !sent) return sent;
  return {};
}

Done Sending::greet() {
  if (auto sent = put({transfer::encode(transfer::Hello{})}); !sent) return sent;
  const auto bytes = inbox_.next(sluice::Deadline::never());
  if (!bytes) return lost(bytes.error());
  const auto message = transfer::decode(*bytes);
  if (!message) return broken(message.error());
  if (const auto* welcome = std::get_if<transfer::Welcome>(&*message)) {
    if (welcome->version != transfer::kVersion) return broken("it chose a version that was not offered");
    return {};
  }
  const auto answer = answer_from(*bytes);
  return answer ? broken("it didn't return the greeting") : std::unexpected(answer.error());
}

std::string name_of(const SendOptions& options, const std::string& path) {
  if (options.as) return *options.as;
  return path == kStandardInput ? "stdin" : std::filesystem::path(path).filename().string();
}

// Sends one file and awaits its answer. A file that fails alone leaves the conversation intact.
Done Sending::send_file(const std::string& path) {
  FileOutcome outcome{.name = name_of(options_, path), .size = 0, .digest = {}, .problem = {}};
  const auto source = open_source(path);
  if (!source) {
    outcome.problem = source.error();
    outcomes_.add(std::move(outcome));
    return {};
  }
  ++file_;
  progress_.begin(outcome.name, (*source)->expected_size());
  const auto answer = send_content(**source, outcome);
  progress_.end();
  if (!answer) {
    outcomes_.add_unfinished(std::move(outcome));
    return std::unexpected(answer.error());
  }
  if (!answer->confirm) {
    outcome.problem = answer->refused;
  } else if (answer->confirm->size != outcome.size || answer->confirm->digest != outcome.digest) {
    outcome.problem = "the receiver has got other content; send it again";
  }
  outcomes_.add(std::move(outcome));
  return {};
}

// From open to the receiver's answer. The size and the digest of what was sent are left in `outcome`.
std::expected<Answer, Failure> Sending::send_content(Source& source, FileOutcome& outcome) {
  const auto opened = put({transfer::encode(transfer::Open{file_, source.expected_size(), outcome.name})});
  if (!opened) return std::unexpected(opened.error());
  const auto head = transfer::data_head(file_);
  Digester digester;
  for (;;) {
    auto early = early_answer();
    if (!early) return std::unexpected(early.error());
    if (*early) {
      // Refused: the rest need not be sent.
      if (auto dropped = put({transfer::encode(transfer::Drop{file_, {}})}); !dropped) return std::unexpected(dropped.error());
      return **std::move(early);
    }
    const auto got = source.read(buffer_);
    if (!got) return drop(got.error());
    if (*got == 0) break;
    const Bytes piece = Bytes(buffer_).first(*got);
    digester.update(piece);
    if (auto sent = put({head, piece}); !sent) return std::unexpected(sent.error());
    outcome.size += *got;
    progress_.advance(*got);
  }
  outcome.digest = digester.digest();
  const auto ended = put({transfer::encode(transfer::End{file_, outcome.size, *outcome.digest})});
  if (!ended) return std::unexpected(ended.error());
  return await_answer();
}

// The file can't be read any further: tells the receiver, and answers with the reason here.
std::expected<Answer, Failure> Sending::drop(const std::string& why) {
  if (auto dropped = put({transfer::encode(transfer::Drop{file_, why})}); !dropped) return std::unexpected(dropped.error());
  auto answer = await_answer();
  if (!answer) return answer;
  if (answer->confirm) return broken("it confirmed a file that was dropped");
  return Answer{std::nullopt, why};
}

std::expected<Answer, Failure> Sending::await_answer() {
  const auto bytes = inbox_.next(sluice::Deadline::never());
  if (!bytes) return lost(bytes.error());
  return answer_from(*bytes);
}

// A refusal that has arrived while the file is still on its way, if there is one.
std::expected<std::optional<Answer>, Failure> Sending::early_answer() {
  const auto bytes = inbox_.next(sluice::Deadline::now());
  if (!bytes && bytes.error().code == sluice::Errc::would_block) return std::nullopt;
  if (!bytes) return lost(bytes.error());
  auto answer = answer_from(*bytes);
  if (!answer) return std::unexpected(answer.error());
  if (answer->confirm) return broken("it confirmed a file before its end");
  return *std::move(answer);
}

std::expected<Answer, Failure> Sending::answer_from(Bytes bytes) const {
  const auto message = transfer::decode(bytes);
  if (!message) return broken(message.error());
  if (const auto* confirm = std::get_if<transfer::Confirm>(&*message); confirm != nullptr && confirm->file == file_)
    return Answer{*confirm, {}};
  if (const auto* refuse = std::get_if<transfer::Refuse>(&*message)) {
    if (refuse->file == 0)
      return std::unexpected(Failure{
          Exit::failed, fmt::format("the receiver at {} ended the transfer: {}", options_.common.endpoint, refuse->text)});
    if (refuse->file == file_) return Answer{std::nullopt, fmt::format("the receiver refused it: {}", refuse->text)};
  }
  return broken("it answered what was not asked");
}

// Sends one message. Where that fails because the receiver has left, its last words explain more than its leaving.
Done Sending::put(std::initializer_list<Bytes> parts) {
  const auto sent = channel_.send(parts);
  if (sent) return {};
  if (const auto bytes = inbox_.next(sluice::Deadline::now())) {
    if (const auto answer = answer_from(*bytes); !answer) return std::unexpected(answer.error());
  }
  return lost(sent.error());
}

std::unexpected<Failure> Sending::broken(std::string_view how) const {
  return std::unexpected(Failure{Exit::failed, fmt::format("the peer at {} breaks the rules of the file transfer: {}; is it "
                                                           "`sluice receive` of this version?",
                                                           options_.common.endpoint, how)});
}

std::unexpected<Failure> Sending::lost(const sluice::Error& error) const {
  return std::unexpected(failure(error, options_.common.endpoint));
}

Done connect_and_send(const SendOptions& options, Outcomes& outcomes) {
  std::vector<std::string> program;
  if (options.command) program = {"/bin/sh", "-c", *options.command};
  auto met = meet(options.common.endpoint, program, options.common.deadline());
  if (!met) {
    Failure alone = std::move(met.error());
    if (alone.exit == Exit::timed_out) alone.text += " (is `sluice receive` running there?)";
    return std::unexpected(std::move(alone));
  }
  outcomes.begin();
  auto sent = Sending(met->channel, options, outcomes).run();
  // Everything is confirmed by now, or has failed: how the farewell goes changes nothing.
  (void)met->channel.close(kFarewell);
  if (sent) sent = see_off(*met, options.common.endpoint, options.common.deadline());
  if (!sent) sent.error().text += fmt::format(" ({})", outcomes.summary(options.files.size()));
  return sent;
}

Exit run_send(const SendOptions& options) {
  const bool lines = !options.common.quiet && !options.common.json;
  Outcomes outcomes(options.common.endpoint, lines ? Lines::standard_output : Lines::nowhere);
  const auto sent = connect_and_send(options, outcomes);
  if (options.common.json) outcomes.print_json(sent ? std::nullopt : std::optional(sent.error()));
  return sent ? outcomes.exit() : give_up(sent.error());
}

void check(const SendOptions& options) {
  if (options.as && options.files.size() != 1) throw CLI::ValidationError("--as", "names one file; give just one");
  if (std::ranges::count(options.files, kStandardInput) > 1)
    throw CLI::ValidationError("FILE", "standard input (-) can be sent only once");
}

}  // namespace

void add_send(CLI::App& app, Run& run) {
  CLI::App* const command = app.add_subcommand("send", "Send whole files to `sluice receive`");
  command->footer(std::string(kExamples));
  const auto options = std::make_shared<SendOptions>();
  options->common.timeout = kDefaultTimeout;
  add_common(*command, options->common, "How long to wait for the receiver (5, 0.5, 500ms, 2m); 5 seconds if not given");
  command->add_option("FILE", options->files, "Files to send; - is standard input")->required();
  command->add_option("--as", options->as, "The name that the receiver gives to the file, instead of its own")
      ->type_name("NAME");
  command
      ->add_option("--exec", options->command,
                   "Start this with the other end (by sh -c), where nobody can listen; in it: sluice receive pipe:")
      ->type_name("CMD");
  // The help says it in our words, not in the validators'.
  command
      ->add_option("--chunk", options->chunk,
                   "How much of a file goes into one message (K, M, G), at most what the channel carries; else 1M")
      ->transform(CLI::Validator(CLI::AsSizeValue(false)).description(""))
      ->check([](const std::string& bytes) { return bytes == "0" ? "must be at least 1" : ""; })
      ->type_name("SIZE");
  command->callback([options, &run] {
    check(*options);
    run = [options] { return run_send(*options); };
  });
}

}  // namespace tool
