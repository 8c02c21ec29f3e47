// A hostile peer at the handshake, on either side, with and without a private link: it is let in, or refused with an error, and
// never read from beyond what a handshake may cost.
#include <memory>
#include <utility>

#include "core/handshake.hpp"
#include "fuzz/require.hpp"
#include "unit/fake_links.hpp"

using namespace sluice;
using namespace sluice::core;
using sluice_fuzz::Input;
using sluice_fuzz::require;

namespace {

class AnyOffer final : public links::PrivateLink {
 public:
  Result<links::Offer> make(std::size_t) override { return links::Offer{{1, 2}, {}}; }
  Result<void> take(links::Offer offer) override {
    require(offer.numbers.size() <= links::Offer::kMaxNumbers, "an offer has few numbers");
    return {};
  }
  links::AnyLink link() override {
    return std::make_shared<sluice_test::FakeRegion>(sluice_test::FakeRegion::make_memory(), true);
  }
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMostRead = 3 * kHelloLimit;
  Input input{data, size};
  const auto variant = input.take<std::uint8_t>();
  const auto wire = std::make_shared<sluice_test::StreamWire>();
  wire->chunk = (variant & 4U) != 0 ? 5 : 5000;
  wire->ends = (variant & 8U) != 0;
  const auto bytes = input.rest();
  wire->incoming.assign(bytes.begin(), bytes.end());

  links::Meeting meeting;
  meeting.link = std::make_unique<sluice_test::FakeStream>(wire);
  meeting.tether = std::make_unique<links::NoTether>();
  if ((variant & 2U) != 0) meeting.private_link = std::make_unique<AnyOffer>();
  const links::Row row{"fake", "", "", "", links::Meet::accept, Reach::this_process, {}, ""};
  const auto role = (variant & 1U) != 0 ? Handshake::Role::listening : Handshake::Role::connecting;
  Handshake handshake{role, std::move(meeting), row, Limits{}};
  const auto established = handshake.step();
  require(wire->taken <= kMostRead, "a handshake costs little");
  if (!established) require(!describe(established.error(), "fake:x").empty(), "a refusal is described");
  return 0;
}
