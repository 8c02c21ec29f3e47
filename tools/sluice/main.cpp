// sluice: the command. Reads the command line, runs the subcommand that it names, and turns whatever happens into an exit
// status: 0 done, 1 failed, 2 wrong usage, 3 timed out, 4 the peer died.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "command.hpp"
#include "report.hpp"
#include "standard_streams.hpp"
#include "version.hpp"
#include "words.hpp"

namespace {

using tool::Exit;

constexpr const char* kFooter =
    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 timed out, 4 the peer died.\n"
    "\n"
    "Examples:\n"
    "  sluice mechanisms                                 what this machine has\n"
    "  sluice listen unix:/tmp/chat                      in one terminal: what you type, a line a message ...\n"
    "  sluice connect unix:/tmp/chat                     ... is printed in the other, and the other way round\n"
    "  sluice receive unix:/tmp/meet --into downloads    in one terminal\n"
    "  sluice send unix:/tmp/meet film.mkv               in another, in any order\n"
    "  sluice bench unix shm                             how fast they are here\n"
    "\n"
    "sluice COMMAND --help tells more.";

// Output that never reached its file or pipe is a failure, whatever the subcommand thinks.
Exit flushed(Exit exit) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit;
  tool::complain("standard output can't be written");
  return exit == Exit::done ? Exit::failed : exit;
}

Exit run_command_line(const std::vector<std::string>& words) {
  CLI::App app{"One message channel over every native IPC mechanism.", "sluice"};
  app.footer(kFooter);
  app.require_subcommand(1);
  app.allow_windows_style_options(false);  // before the subcommands, which take it from here: /tmp/file is a file everywhere
  app.get_formatter()->column_width(30);
  app.failure_message([](const CLI::App*, const CLI::Error& problem) {
    return std::string("sluice: ") + problem.what() + "; `sluice COMMAND --help` tells more\n";
  });
  app.set_version_flag("--version", tool::version_text, "Print version, commit and the mechanisms built in");

  tool::Run run;
  tool::add_mechanisms(app, run);
  tool::add_listen(app, run);
  tool::add_connect(app, run);
  tool::add_send(app, run);
  tool::add_receive(app, run);
  tool::add_bench(app, run);
  tool::add_bench_peer(app, run);
  try {
    std::vector<const char*> pointers;
    for (const std::string& word : words) pointers.push_back(word.c_str());
    app.parse(static_cast<int>(pointers.size()), pointers.data());
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? Exit::done : Exit::wrong_usage;
  }
  return run();
}

}  // namespace

int main(int argc, char** argv) {
  tool::occupy_standard_streams();
  try {
    return static_cast<int>(flushed(run_command_line(tool::words_of(argc, argv))));
  } catch (const std::exception& problem) {
    // The tool's own errors are values; this is the standard library's: no memory, no random numbers.
    tool::complain(problem.what());
    return static_cast<int>(Exit::failed);
  }
}
