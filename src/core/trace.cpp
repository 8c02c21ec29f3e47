#include "core/trace.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "links/system.hpp"

namespace sluice::inline v0::core {
namespace {

// Milliseconds since the first event, with three decimals.
std::string time_text() {
  static constinit std::atomic<std::int64_t> first{0};
  const std::int64_t now = std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  std::int64_t start = 0;
  // relaxed: a number, through which nothing else is read
  if (first.compare_exchange_strong(start, now, std::memory_order_relaxed)) start = now;
  const std::int64_t microseconds = now > start ? (now - start) / 1000 : 0;
  const std::string thousandths = std::to_string(microseconds % 1000);
  return std::to_string(microseconds / 1000) + '.' + std::string(3 - thousandths.size(), '0') + thousandths;
}

// One line that no terminal obeys: control characters, those of ISO 6429 in UTF-8 (C2 80 … C2 9F) too, become \xNN.
std::string one_line(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string line;
  line.reserve(text.size());
  unsigned char before = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_c1 = before == 0xC2 && byte >= 0x80 && byte <= 0x9F;
    before = byte;
    if (byte >= 0x20 && byte != 0x7F && !is_c1) {
      line += c;
    } else {
      line.append("\\x").append(1, kDigits[byte >> 4U]).append(1, kDigits[byte & 0xFU]);
    }
  }
  return line;
}

}  // namespace

struct Trace::Sink {
  std::string endpoint;
  std::function<void(std::string_view line)> callback;  // may be empty
  bool to_environment{false};
};

Trace Trace::of(const Options& options, std::string_view endpoint) {
  Trace trace;
  const bool to_environment = links::is_traced();
  if (options.trace || to_environment)
    trace.sink_ = std::make_shared<const Sink>(std::string(endpoint), options.trace, to_environment);
  return trace;
}

void Trace::write(std::string_view event, std::string_view words) const {
  std::string text = "sluice " + std::to_string(links::process_id()) + ' ' + time_text() + ' ';
  text.append(event).append(" ").append(sink_->endpoint).append(": ").append(words);
  const std::string line = one_line(text);
  if (sink_->to_environment) links::write_trace(line + '\n');
  if (sink_->callback) sink_->callback(line);
}

std::string words_of(const Traits& traits, const Peer& peer) {
  std::string words(traits.mechanism);
  words.append(", ").append(name(traits.shape)).append(", framing ").append(traits.framing);
  if (peer.process_id) words += ", process " + std::to_string(*peer.process_id);
  if (peer.user_id) words += (peer.process_id ? " of user " : ", user ") + std::to_string(*peer.user_id);
  words += ", messages up to " + std::to_string(traits.max_message) + " bytes";
  if (traits.capacity != 0) words += ", capacity " + std::to_string(traits.capacity);
  if (traits.packet_size != 0) words += ", packets of " + std::to_string(traits.packet_size);
  return words;
}

}  // namespace sluice::inline v0::core
