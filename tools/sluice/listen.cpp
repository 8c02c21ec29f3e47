// sluice listen: serves those who connect; what they send is printed, and what stands on standard input is sent to them, or a
// program of their own talks to each.
#include <memory>
#include <sluice/channel.hpp>

#include "command.hpp"
#include "conversation.hpp"
#include "messages_options.hpp"
#include "standard_streams.hpp"
#include "transfer.hpp"

namespace tool {

namespace {

constexpr std::string_view kExamples =
    "Each line of standard input is a message, and each message a line of standard output. Prints \"listening on ENDPOINT\" "
    "on\n"
    "standard error once one can connect, serves one peer, and exits when both directions have ended: standard input, and "
    "what\n"
    "the peer sends. With --exec each peer gets a program of its own, on whose standard streams it is.\n"
    "\n"
    "Examples:\n"
    "  sluice listen unix:/tmp/chat\n"
    "  sluice listen unix:/tmp/upper --clients=all --exec 'tr a-z A-Z'     (a program that writes at its end, or unbuffered)\n"
    "  sluice listen 'tcp:127.0.0.1:7000?framing=line'                     for nc, telnet and the like\n"
    "  sluice listen shm:log --json < /dev/null";

struct ListenOptions {
  Common common;
  FormFlags form;
  Clients clients{Clients::one};
  std::optional<std::string> command;
};

Exit run_listen(const ListenOptions& options) {
  const std::string& endpoint = options.common.endpoint;
  auto listener = sluice::listen(endpoint);
  if (!listener) return give_up(failure(listener.error(), endpoint));
  if (!options.common.quiet) print(stderr, "listening on {}\n", transfer::printable(listener->endpoint()));
  const ConversationOptions conversation{endpoint, options.form.form(), options.clients, options.command,
                                         options.common.timeout};
  const auto done = converse(*std::move(listener), conversation);
  return done ? Exit::done : give_up(done.error());
}

}  // namespace

void add_listen(CLI::App& app, Run& run) {
  CLI::App* const command = app.add_subcommand("listen", "Print the messages of those who connect, and send them the input");
  command->footer(std::string(kExamples));
  const auto options = std::make_shared<ListenOptions>();
  add_meeting(*command, options->common, "How long to wait while nobody is there (5, 0.5, 500ms, 2m); for ever if not given");
  add_form(*command, options->form);
  add_clients(*command, options->clients);
  command->add_option("--exec", options->command, "Start this for each peer (by sh -c); its input and output are the messages")
      ->type_name("CMD");
  command->callback([options, &run] { run = [options] { return run_listen(*options); }; });
}

}  // namespace tool
