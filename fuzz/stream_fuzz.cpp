// A stream of hostile records, with handles at any of its bytes: whole and in small chunks it is read as the same messages and
// control words, none of them beyond the largest message, none with more handles than came, and it ends in nothing but a
// protocol_error or the end. Which byte handles came with is known for sure only where each byte is read alone: what is right
// there is right in any chunks; what is wrong there may pass in larger ones.
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
constexpr std::size_t kMaxHandles = 4;

using Handles = std::vector<sluice_test::WireHandles>;

struct Outcome {
  std::vector<std::vector<std::byte>> messages;
  std::vector<std::size_t> handles;  // of each
  std::vector<Control> controls;
  std::optional<Errc> error;
};

Outcome read(std::span<const std::byte> bytes, const Handles& handles, std::size_t chunk) {
  const auto wire = std::make_shared<sluice_test::StreamWire>();
  wire->incoming.assign(bytes.begin(), bytes.end());
  wire->incoming_handles = handles;
  wire->ends = true;
  wire->chunk = chunk;
  StreamRecords records{std::make_unique<sluice_test::FakeStream>(wire), kMaxMessage, kMaxHandles};
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
    outcome.handles.push_back(MessageStorage::count_handles(incoming->message));
    require(outcome.handles.back() <= kMaxHandles, "no message has more handles than we accept");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input{data, size};
  const std::size_t chunk = 1 + input.take<std::uint8_t>() % 40;
  Handles handles;
  std::size_t at = 0;
  for (std::size_t left = input.take<std::uint8_t>() % 4; left != 0; --left) {
    at += input.take<std::uint8_t>();
    handles.push_back({at, std::vector<links::Descriptor::Native>(1 + input.take<std::uint8_t>() % (kMaxHandles + 1), 1000)});
    ++at;
  }
  const auto bytes = input.rest();
  const Outcome whole = read(bytes, handles, bytes.size() + 1);
  const Outcome in_chunks = read(bytes, handles, chunk);
  if (!handles.empty() && read(bytes, handles, 1).error) return 0;
  require(whole.messages == in_chunks.messages, "the same messages in any chunks");
  require(whole.handles == in_chunks.handles, "with the same handles");
  require(whole.controls == in_chunks.controls, "the same control words in any chunks");
  require(whole.error == in_chunks.error, "the same end in any chunks");
  return 0;
}
