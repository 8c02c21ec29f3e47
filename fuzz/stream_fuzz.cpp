// A stream of hostile records: whole and in small chunks it is read as the same messages and control words, none of them beyond
// the largest message, and it ends in nothing but a protocol_error or the end.
#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "core/stream_records.hpp"
#include "fuzz/require.hpp"
#include "unit/fake_links.hpp"

using namespace sluice;
using namespace sluice::core;
using sluice_fuzz::Input;
using sluice_fuzz::require;

namespace {

constexpr std::size_t kMaxMessage = 1000;

struct Outcome {
  std::vector<std::vector<std::byte>> messages;
  std::vector<Control> controls;
  std::optional<Errc> error;
};

Outcome read(std::span<const std::byte> bytes, std::size_t chunk) {
  const auto wire = std::make_shared<sluice_test::StreamWire>();
  wire->incoming.assign(bytes.begin(), bytes.end());
  wire->ends = true;
  wire->chunk = chunk;
  StreamRecords records{std::make_unique<sluice_test::FakeStream>(wire), kMaxMessage};
  Outcome outcome;
  while (true) {
    const auto incoming = records.take();
    if (!incoming) {
      require(incoming.error().code == Errc::protocol_error, "the code of a refusal");
      outcome.error = incoming.error().code;
      return outcome;
    }
    if (incoming->what == Incoming::What::end) return outcome;
    if (incoming->what == Incoming::What::control) {
      outcome.controls.push_back(incoming->control);
      continue;
    }
    if (incoming->what != Incoming::What::message) continue;  // there is more
    require(incoming->message.bytes().size() <= kMaxMessage, "no message is larger than we accept");
    outcome.messages.push_back(incoming->message.copy());
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input{data, size};
  const std::size_t chunk = 1 + input.take<std::uint8_t>() % 40;
  const auto bytes = input.rest();
  const Outcome whole = read(bytes, bytes.size() + 1);
  const Outcome in_chunks = read(bytes, chunk);
  require(whole.messages == in_chunks.messages, "the same messages in any chunks");
  require(whole.controls == in_chunks.controls, "the same control words in any chunks");
  require(whole.error == in_chunks.error, "the same end in any chunks");
  return 0;
}
