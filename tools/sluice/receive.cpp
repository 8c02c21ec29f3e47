// sluice receive: listens, serves one sender by the protocol in transfer.hpp, and exits when it has closed. What arrives is
// hostile until proved otherwise: names are judged, sizes only shown, digests compared before a file appears.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <sluice/channel.hpp>
#include <utility>

#include "command.hpp"
#include "crowd.hpp"
#include "digest.hpp"
#include "inbox.hpp"
#include "meet.hpp"
#include "outcome.hpp"
#include "progress.hpp"
#include "standard_streams.hpp"
#include "store.hpp"
#include "transfer.hpp"

namespace tool {

namespace {

constexpr std::string_view kExamples =
    "Prints \"listening on ENDPOINT\" on standard error once a sender can connect, serves one sender and exits when it has\n"
    "closed; --clients=serial goes on with the next, --clients=all serves many at once. A file appears under its name only\n"
    "when it is whole and its digest agrees; then its line \"DIGEST  NAME\" is printed (XXH3-128, as xxhsum -H2 prints it; "
    "with\n"
    "--stdout on standard error).\n"
    "\n"
    "Examples:\n"
    "  sluice receive unix:/tmp/meet --into downloads\n"
    "  sluice receive mq:/meet --stdout | tar -x\n"
    "  sluice receive shm:meet --timeout 1m --json";

// How long an answer or a farewell to a peer that is given up may take.
constexpr auto kFarewell = std::chrono::seconds(2);

struct ReceiveOptions {
  Common common;
  std::string into{"."};
  bool to_output{false};
  bool force{false};
  Clients clients{Clients::one};
};

using Done = std::expected<void, Failure>;

// The file that is arriving.
struct Current {
  std::uint32_t file{0};
  FileOutcome outcome;
  Digester digester;
  bool refused{false};  // the sender knows: what still comes of it is let pass by
};

// The receiver's side of one conversation.
class Receiving {
 public:
  Receiving(sluice::Channel& channel, Store& store, const ReceiveOptions& options, Outcomes& outcomes)
      : channel_(channel),
        inbox_(channel),
        store_(store),
        endpoint_(options.common.endpoint),
        outcomes_(outcomes),
        progress_(options.clients == Clients::all ? Show::never : options.common.show()) {}

  // Takes files until the sender has closed; what became of each is in the outcomes.
  Done run();

 private:
  Done take_messages();
  Done take(std::span<const std::byte> bytes);
  Done on(const transfer::Hello& hello);
  Done on(const transfer::Open& open);
  Done on(const transfer::Data& data);
  Done on(const transfer::End& end);
  Done on(const transfer::Drop& drop);
  template <class Answer>
  Done on(const Answer&) {
    return broken("it speaks as a receiver too");
  }

  [[nodiscard]] bool is_current(std::uint32_t file) const noexcept { return current_ && current_->file == file; }
  Done refuse(const Refusal& refusal);
  void finish_current();
  Done answer(std::span<const std::byte> bytes);
  Done ended(const sluice::Error& error);
  [[nodiscard]] std::unexpected<Failure> broken(std::string_view how);

  sluice::Channel& channel_;
  Inbox inbox_;
  Store& store_;
  const std::string& endpoint_;
  Outcomes& outcomes_;
  Progress progress_;
  bool greeted_{false};
  std::uint32_t last_file_{0};
  std::optional<Current> current_;
};

Done Receiving::run() {
  const auto done = take_messages();
  if (current_) {
    store_.discard();
    progress_.end();
    outcomes_.add_unfinished(std::move(current_->outcome));
  }
  return done;
}

Done Receiving::take_messages() {
  for (;;) {
    const auto bytes = inbox_.next(sluice::Deadline::never());
    if (!bytes) return ended(bytes.error());
    if (auto taken = take(*bytes); !taken) return taken;
  }
}

Done Receiving::take(std::span<const std::byte> bytes) {
  const auto message = transfer::decode(bytes);
  if (!message) return broken(message.error());
  if (!greeted_ && !std::holds_alternative<transfer::Hello>(*message)) return broken("it is not `sluice send`");
  return std::visit([this](const auto& known) { return on(known); }, *message);
}

Done Receiving::on(const transfer::Hello& hello) {
  if (greeted_) return broken("it greeted twice");
  const auto version = transfer::common_version(hello);
  if (!version) {
    const std::string text = fmt::format(
        "the sender speaks versions {} to {} of the file transfer, the receiver version {}; use "
        "the same sluice on both sides",
        hello.lowest, hello.highest, transfer::kVersion);
    const transfer::Refuse refuse{0, transfer::Reason::version, text};
    if (auto told = answer(transfer::encode(refuse)); !told) return told;
    return std::unexpected(Failure{Exit::failed, fmt::format("{}: {}", endpoint_, text)});
  }
  greeted_ = true;
  return answer(transfer::encode(transfer::Welcome{*version}));
}

Done Receiving::on(const transfer::Open& open) {
  if (current_) return broken("it began a file inside another");
  if (open.file != last_file_ + 1) return broken("its files are not in order");
  last_file_ = open.file;
  current_.emplace();
  current_->file = open.file;
  current_->outcome.name = transfer::printable(open.name.substr(0, transfer::kLongestName));
  progress_.begin(current_->outcome.name, open.size);
  if (const auto problem = transfer::name_problem(open.name))
    return refuse(
        {transfer::Reason::name, fmt::format("a name that {} is not taken; choose another with `send --as`", *problem)});
  if (const auto begun = store_.begin(open.name); !begun) return refuse(begun.error());
  return {};
}

Done Receiving::on(const transfer::Data& data) {
  if (!is_current(data.file)) return broken("it sent a piece of a file that it has not begun");
  if (current_->refused) return {};
  current_->digester.update(data.content);
  current_->outcome.size += data.content.size();
  progress_.advance(data.content.size());
  if (const auto written = store_.write(data.content); !written) return refuse(written.error());
  return {};
}

Done Receiving::on(const transfer::End& end) {
  if (!is_current(end.file)) return broken("it ended a file that it has not begun");
  if (!current_->refused) {
    FileOutcome& outcome = current_->outcome;
    outcome.digest = current_->digester.digest();
    const bool agrees = end.size == outcome.size && end.digest == *outcome.digest;
    const auto kept = agrees ? store_.keep()
                             : std::unexpected(Refusal{transfer::Reason::digest,
                                                       "what arrived has another digest "
                                                       "than what was sent; send it again"});
    if (kept) {
      const transfer::Confirm confirm{end.file, outcome.size, *outcome.digest};
      finish_current();
      return answer(transfer::encode(confirm));
    }
    if (auto refused = refuse(kept.error()); !refused) return refused;
  }
  finish_current();
  return {};
}

Done Receiving::on(const transfer::Drop& drop) {
  if (!is_current(drop.file)) return broken("it dropped a file that it has not begun");
  if (!current_->refused) {
    const std::string why = fmt::format("the sender has dropped it: {}", drop.text);
    if (auto refused = refuse({transfer::Reason::dropped, why}); !refused) return refused;
  }
  finish_current();
  return {};
}

// The current file is not taken: tells the sender, and lets what still arrives of it pass by.
Done Receiving::refuse(const Refusal& refusal) {
  store_.discard();
  current_->refused = true;
  current_->outcome.problem = refusal.text;
  return answer(transfer::encode(transfer::Refuse{current_->file, refusal.reason, refusal.text}));
}

void Receiving::finish_current() {
  progress_.end();
  outcomes_.add(std::move(current_->outcome));
  current_.reset();
}

Done Receiving::answer(std::span<const std::byte> bytes) {
  if (const auto sent = channel_.send(bytes); !sent) return std::unexpected(failure(sent.error(), endpoint_));
  return {};
}

// The channel has ended: well, if the sender has closed it between two files.
Done Receiving::ended(const sluice::Error& error) {
  if (error.code != sluice::Errc::closed) return std::unexpected(failure(error, endpoint_));
  if (current_)
    return std::unexpected(
        Failure{Exit::failed, fmt::format("{}: the sender left in the middle of {}", endpoint_, current_->outcome.name)});
  if (outcomes_.size() == 0)
    return std::unexpected(Failure{Exit::failed, fmt::format("{}: the sender sent no file", endpoint_)});
  return {};
}

// The sender broke a rule: tells it, and ends the conversation.
std::unexpected<Failure> Receiving::broken(std::string_view how) {
  (void)channel_.send(transfer::encode(transfer::Refuse{0, transfer::Reason::conversation, how}), kFarewell);
  return std::unexpected(
      Failure{Exit::failed, fmt::format("the peer at {} breaks the rules of the file transfer: {}", endpoint_, how)});
}

std::expected<std::unique_ptr<Store>, Failure> make_store(const ReceiveOptions& options) {
  if (options.to_output) return make_output_store();
  return make_folder_store(options.into, options.force);
}

// Serves one sender; what became of its files is printed.
Done serve(sluice::Channel channel, Store& store, const ReceiveOptions& options) {
  Lines lines = options.to_output ? Lines::standard_error : Lines::standard_output;
  if (options.common.quiet || options.common.json) lines = Lines::nowhere;
  Outcomes outcomes(options.common.endpoint, lines);
  auto received = Receiving(channel, store, options, outcomes).run();
  (void)channel.close(kFarewell);
  if (!received) received.error().text += fmt::format(" ({})", outcomes.summary(std::nullopt));
  if (options.common.json) outcomes.print_json(received ? std::nullopt : std::optional(received.error()));
  if (received && outcomes.exit() != Exit::done) return std::unexpected(Failure{outcomes.exit(), {}});
  return received;
}

void complain_of(const Failure& failure) {
  if (!failure.text.empty()) complain(failure.text);
}

Done serve_all(sluice::Listener listener, const ReceiveOptions& options) {
  Crowd crowd(listener);
  auto idle_until = options.common.deadline();  // while nobody is there
  while (true) {
    if (crowd.let_go()) idle_until = options.common.deadline();
    if (crowd.size() + 1 >= kMostStores) {  // one store is the first one's, in run_receive()
      crowd.wait_for_one();
      continue;
    }
    auto channel = listener.accept(crowd.size() == 0 ? idle_until : sluice::Deadline::never());
    if (!channel && channel.error().code == sluice::Errc::interrupted) continue;  // one is over
    if (!channel) return std::unexpected(failure(channel.error(), options.common.endpoint));
    crowd.serve([&options, mine = *std::move(channel)]() mutable {
      auto store = make_store(options);
      const auto done = store ? serve(std::move(mine), **store, options) : std::unexpected(store.error());
      if (!done) complain_of(done.error());
      (void)std::fflush(stdout);
    });
  }
}

Done serve_one_by_one(sluice::Listener listener, Store& store, const ReceiveOptions& options) {
  while (true) {
    auto channel = listener.accept(options.common.deadline());
    if (!channel) {
      auto failed = failure(channel.error(), options.common.endpoint);
      if (options.common.json) Outcomes(options.common.endpoint, Lines::nowhere).print_json(failed);
      return std::unexpected(std::move(failed));
    }
    // One sender is served: a second one must not wait in vain, and the next `receive` may listen already.
    if (options.clients == Clients::one) listener.close();
    const auto done = serve(*std::move(channel), store, options);
    if (options.clients == Clients::one) return done;
    if (!done) complain_of(done.error());
  }
}

// The end that the program which has started this one handed over.
Done serve_parent(Store& store, const ReceiveOptions& options) {
  auto met = meet(options.common.endpoint, {}, options.common.deadline());
  if (met) return serve(std::move(met->channel), store, options);
  if (options.common.json) Outcomes(options.common.endpoint, Lines::nowhere).print_json(met.error());
  return std::unexpected(std::move(met.error()));
}

Exit exit_of(const Done& done) {
  if (done) return Exit::done;
  complain_of(done.error());
  return done.error().exit;
}

Exit run_receive(const ReceiveOptions& options) {
  const std::string& endpoint = options.common.endpoint;
  const auto give_up_now = [&](const Failure& failure) {
    if (options.common.json) Outcomes(endpoint, Lines::nowhere).print_json(failure);
    return give_up(failure);
  };
  auto store = make_store(options);
  if (!store) return give_up_now(store.error());
  if (is_handed_over(endpoint)) return exit_of(serve_parent(**store, options));
  auto listener = sluice::listen(endpoint);
  if (!listener) return give_up_now(failure(listener.error(), endpoint));
  if (!options.common.quiet) print(stderr, "listening on {}\n", transfer::printable(listener->endpoint()));
  return exit_of(options.clients == Clients::all ? serve_all(*std::move(listener), options)
                                                 : serve_one_by_one(*std::move(listener), **store, options));
}

}  // namespace

void add_receive(CLI::App& app, Run& run) {
  CLI::App* const command = app.add_subcommand("receive", "Receive whole files from `sluice send`");
  command->footer(std::string(kExamples));
  const auto options = std::make_shared<ReceiveOptions>();
  add_common(*command, options->common, "How long to wait for a sender (5, 0.5, 500ms, 2m); for ever if not given");
  CLI::Option* const into =
      command->add_option("--into", options->into, "The folder for the files, which exists; this one if not given")
          ->type_name("DIR");
  CLI::Option* const force = command->add_flag("--force", options->force, "Replace files that exist");
  command->add_flag("--stdout", options->to_output, "Write the contents to standard output, one after the other")
      ->excludes(into)
      ->excludes(force)
      ->excludes(command->get_option("--json"));
  add_clients(*command, options->clients);
  command->callback([options, &run] {
    if (options->clients == Clients::all && options->to_output)
      throw CLI::ValidationError("--stdout", "can't be shared by --clients=all; take --clients=serial, or --into");
    run = [options] { return run_receive(*options); };
  });
}

}  // namespace tool
