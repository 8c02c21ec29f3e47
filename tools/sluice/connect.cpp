// sluice connect: standard input and output as the messages of a channel, like `sluice listen` on the other side.
#include <memory>
#include <sluice/channel.hpp>
#include <sluice/process.hpp>
#include <string>
#include <vector>

#include "command.hpp"
#include "conversation.hpp"
#include "messages_options.hpp"

namespace tool {

namespace {

constexpr std::string_view kExamples =
    "Each line of standard input is a message, and each message a line of standard output. The end of standard input ends "
    "this\n"
    "direction; what the peer still sends is printed. Both sides may be started in any order.\n"
    "\n"
    "Examples:\n"
    "  sluice connect unix:/tmp/chat\n"
    "  echo hello | sluice connect shm:log\n"
    "  sluice connect 'tcp:127.0.0.1:7000?framing=line'                    to a server that speaks lines\n"
    "  sluice connect mq:/frames --blob < picture.raw\n"
    "  sluice connect pipe: -- worker --fast                               starts the program with the other end";

constexpr double kDefaultTimeout = 5;  // seconds

struct ConnectOptions {
  Common common;
  FormFlags form;
  std::vector<std::string> program;  // behind --
};

sluice::Result<sluice::Channel> meet(const ConnectOptions& options) {
  sluice::Options waiting;
  waiting.wait_for_listener = true;
  return sluice::connect(options.common.endpoint, options.common.deadline(), waiting);
}

Exit talk(const ConnectOptions& options, sluice::Channel channel) {
  const ConversationOptions conversation{options.common.endpoint, options.form.form(), Clients::one, std::nullopt, {}};
  const auto done = converse(std::move(channel), conversation);
  return done ? Exit::done : give_up(done.error());
}

// With a program that claims the other end (sluice::inherited()). It has the last word: what it ends with is told.
Exit run_with_program(const ConnectOptions& options) {
  auto child = sluice::spawn(options.common.endpoint, options.program, options.common.deadline());
  if (!child) return give_up(failure(child.error(), options.common.endpoint));
  const Exit talked = talk(options, std::move(child->channel));
  if (talked != Exit::done) return talked;
  const auto ended = child->process.wait(options.common.deadline());
  if (!ended) return give_up(failure(ended.error(), options.common.endpoint));
  if (ended->status == 0) return Exit::done;
  return give_up({Exit::failed, options.program.front() + " ended with " + std::to_string(ended->status)});
}

Exit run_connect(const ConnectOptions& options) {
  if (!options.program.empty()) return run_with_program(options);
  auto channel = meet(options);
  if (!channel) return give_up(failure(channel.error(), options.common.endpoint));
  return talk(options, *std::move(channel));
}

}  // namespace

void add_connect(CLI::App& app, Run& run) {
  CLI::App* const command = app.add_subcommand("connect", "Send the input to a listener, and print what it sends");
  command->footer(std::string(kExamples));
  const auto options = std::make_shared<ConnectOptions>();
  options->common.timeout = kDefaultTimeout;
  add_meeting(*command, options->common, "How long to wait for the listener (5, 0.5, 500ms, 2m); 5 seconds if not given");
  add_form(*command, options->form);
  command->add_option("PROGRAM", options->program, "Behind --: a program to be started with the other end, and its arguments");
  command->callback([options, &run] { run = [options] { return run_connect(*options); }; });
}

}  // namespace tool
