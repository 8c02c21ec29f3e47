// The options that `sluice listen` and `sluice connect` share: how messages are written.
#pragma once

#include "command.hpp"
#include "wording.hpp"

namespace tool {

struct FormFlags {
  bool nul{false};
  bool blob{false};
  bool json{false};

  [[nodiscard]] Form form() const noexcept {
    if (nul) return Form::nul;
    if (blob) return Form::blob;
    return json ? Form::json : Form::lines;
  }
};

// Adds --null, --blob and --json, of which one may be given.
inline void add_form(CLI::App& command, FormFlags& flags) {
  CLI::Option* const nul =
      command.add_flag("--null", flags.nul, "A message ends with NUL, in and out, instead of a line's end");
  CLI::Option* const blob =
      command.add_flag("--blob", flags.blob, "All of the input is one message; messages are printed one after the other");
  CLI::Option* const json =
      command.add_flag("--json", flags.json, R"(A message is a JSON object in a line: "text", or "base64" if it is none)");
  nul->excludes(blob)->excludes(json);
  blob->excludes(json);
}

}  // namespace tool
