// Hostile packets: messages within the limit, a protocol_error or the end, and no packet is read twice.
#include <algorithm>
#include <memory>

#include "core/packet_records.hpp"
#include "fuzz/require.hpp"
#include "unit/fake_links.hpp"

using namespace sluice;
using namespace sluice::core;
using sluice_fuzz::Input;
using sluice_fuzz::require;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMaxMessage = 1000;
  Input input{data, size};
  const auto wire = std::make_shared<sluice_test::PacketWire>();
  while (!input.empty()) {
    const auto packet = input.take_bytes(input.take<std::uint8_t>());
    wire->incoming.emplace_back(packet.begin(), packet.end());
  }
  wire->ends = true;
  PacketRecords records{std::make_unique<sluice_test::FakePackets>(wire), kMaxMessage};
  for (std::size_t taken = 0; taken <= wire->incoming.size(); ++taken) {
    const auto incoming = records.take();
    if (!incoming) {
      require(incoming.error().code == Errc::protocol_error || incoming.error().code == Errc::would_block,
              "the code of a refusal");
      return 0;
    }
    if (incoming->what == Incoming::What::end) return 0;
    require(incoming->message.bytes().size() <= kMaxMessage, "no message is larger than we accept");
  }
  require(false, "more records than packets");
  return 0;
}
