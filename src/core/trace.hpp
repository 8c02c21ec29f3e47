// Trace: one line for each event of a channel or listener (listening, connecting, connected, fell-back, refused, failed, ended,
// closed), to whoever asked for it by Options::trace or SLUICE_TRACE. Off, it is a null pointer, and nothing is put into words.
//
//   sluice PID MILLISECONDS EVENT ENDPOINT: WORDS
//
// counted from the first event of the process, one line, whatever endpoint and words hold.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <sluice/channel.hpp>
#include <sluice/mechanisms.hpp>
#include <sluice/options.hpp>

namespace sluice::inline v0::core {

// What a channel or listener, and what it consists of, says its events to. Copies share what they say it to. Any thread.
class Trace {
 public:
  Trace() noexcept = default;  // off
  // As options and environment want it. `endpoint`: the text, as the caller gave it.
  [[nodiscard]] static Trace of(const Options& options, std::string_view endpoint);

  [[nodiscard]] explicit operator bool() const noexcept { return sink_ != nullptr; }

  // `words()` gives a std::string, and is called only if somebody listens. What goes wrong with a trace concerns no call.
  template <class Words>
  void note(std::string_view event, Words words) const noexcept {
    if (!sink_) return;
    try {
      write(event, words());
    } catch (...) {  // NOLINT(bugprone-empty-catch)
      // No memory for the line, or Options::trace has thrown.
    }
  }

 private:
  struct Sink;
  void write(std::string_view event, std::string_view words) const;

  std::shared_ptr<const Sink> sink_;
};

// A channel that is connected, in a few words.
[[nodiscard]] std::string words_of(const Traits& traits, const Peer& peer);

}  // namespace sluice::inline v0::core
