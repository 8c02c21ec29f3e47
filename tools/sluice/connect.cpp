// sluice connect: standard input and output as the messages of a channel, like `sluice listen` on the other side.
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "conversation.hpp"
#include "meet.hpp"
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

Exit run_connect(const ConnectOptions& options) {
  const std::string& endpoint = options.common.endpoint;
  auto met = meet(endpoint, options.program, options.common.deadline());
  if (!met) return give_up(met.error());
  const ConversationOptions conversation{endpoint, options.form.form(), Clients::one, std::nullopt, {}};
  if (const auto done = converse(std::move(met->channel), conversation); !done) return give_up(done.error());
  const auto seen_off = see_off(*met, endpoint, options.common.deadline());
  return seen_off ? Exit::done : give_up(seen_off.error());
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
