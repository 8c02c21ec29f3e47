// A hostile stream in a foreign framing: whole and in small chunks it is read as the same messages (in `raw`: the same bytes),
// none of them larger than we accept, and it ends in nothing but a protocol_error, a finish, or a death. What is read can be
// written again, as the same bytes.
#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "core/foreign_records.hpp"
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
  bool finished{false};
  std::optional<Errc> error;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome read(Framing framing, std::span<const std::byte> bytes, std::size_t chunk) {
  const auto wire = std::make_shared<sluice_test::StreamWire>();
  wire->incoming.assign(bytes.begin(), bytes.end());
  wire->ends = true;
  wire->chunk = chunk;
  ForeignRecords records{std::make_unique<sluice_test::FakeStream>(wire), framing, kMaxMessage};
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
      outcome.finished = true;
      return outcome;
    }
    if (incoming->what != Incoming::What::message) continue;  // there is more
    require(incoming->message.bytes().size() <= kMaxMessage, "no message is larger than we accept");
    outcome.messages.push_back(incoming->message.copy());
  }
}

std::vector<std::byte> joined(const Outcome& outcome) {
  std::vector<std::byte> all;
  for (const auto& message : outcome.messages) all.insert(all.end(), message.begin(), message.end());
  return all;
}

std::vector<std::byte> written(Framing framing, const Outcome& outcome) {
  const auto wire = std::make_shared<sluice_test::StreamWire>();
  ForeignRecords records{std::make_unique<sluice_test::FakeStream>(wire), framing, kMaxMessage};
  for (const auto& message : outcome.messages) {
    const Bytes bytes{message};
    OutgoingMessage outgoing{{&bytes, 1}};
    const auto put = records.put(outgoing, 0);
    require(put && *put, "what was read can be said again");
  }
  return wire->outgoing;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input{data, size};
  const auto framing = kFramings[1 + input.take<std::uint8_t>() % (kFramings.size() - 1)].framing;
  const std::size_t chunk = 1 + input.take<std::uint8_t>() % 40;
  const auto bytes = input.rest();
  const Outcome whole = read(framing, bytes, bytes.size() + 1);
  const Outcome in_chunks = read(framing, bytes, chunk);
  if (framing == Framing::raw) {
    require(joined(whole) == joined(in_chunks), "the same bytes in any chunks");
    return 0;
  }
  require(whole == in_chunks, "the same messages, and the same end, in any chunks");
  const auto again = written(framing, whole);
  const bool lacks_delimiter = row_of(framing).delimiter && !bytes.empty() && bytes.back() != *row_of(framing).delimiter;
  const std::size_t same = std::min(again.size() - (whole.finished && lacks_delimiter ? 1 : 0), bytes.size());
  require(std::ranges::equal(std::span{again}.first(same), bytes.first(same)), "the same bytes on the way back");
  if (whole.finished) require(same == bytes.size(), "all of them");
  return 0;
}
