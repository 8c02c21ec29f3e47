// inproc:name — both ends in one process: the reference of all three shapes, and, by option, a stand-in for systems that are
// not here (inproc_variant.hpp has the options).
//
//   listen(name)   a Rendezvous in the registry                                        inproc_registry
//   dial(name)     makes both ends of a link; one is put into the Rendezvous           inproc_stream, inproc_packets
//   region         the two meet over a stream; the listener's side makes the region,   inproc_region
//                  and offers its size and a token by which the other finds it
//
// The listener's options hold for the channel; who connects may leave them out, and must agree where it doesn't. Death of an
// end is its link's destruction without goodbye.
#include <array>
#include <bit>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "links/mechanism.hpp"
#include "links/system.hpp"
#include "mechanisms/inproc_birthplace.hpp"
#include "mechanisms/inproc_packets.hpp"
#include "mechanisms/inproc_region.hpp"
#include "mechanisms/inproc_registry.hpp"
#include "mechanisms/inproc_stream.hpp"
#include "mechanisms/inproc_variant.hpp"
#include "os/self.hpp"

namespace sluice::inline v0::mechanism {
namespace inproc {
namespace {

constexpr std::size_t kBacklog = 128;  // clients that wait to be accepted; more are told to try again

// ---- the region, handed over -------------------------------------------------------------------------------------------

class PrivateRegion final : public links::PrivateLink {
 public:
  PrivateRegion(Registry& registry, std::uint64_t meeting, std::uint64_t backed) noexcept
      : registry_(registry), meeting_(meeting), backed_(backed) {}
  ~PrivateRegion() override {
    if (!birthplace_.is_here()) {
      abandon(region_);
      (void)offered_.release();  // the parent's registry links to its copy, and so does ours
      return;
    }
    if (!offered_) return;
    const std::lock_guard lock(registry_.mutex);
    registry_.remove(*offered_);
  }

  Result<links::Offer> make(std::size_t capacity) override {
    auto region = CommonRegion::create(capacity, backed_);
    if (!region) return region.error();
    auto offered = std::make_unique<OfferedRegion>();
    std::array<std::byte, sizeof(offered->token)> random;
    if (auto filled = links::random_bytes(random); !filled) return filled.error();
    offered->token = std::bit_cast<std::uint64_t>(random);
    offered->meeting = meeting_;
    offered->region = *region;
    links::Offer offer;
    offer.numbers = {offered->token, (*region)->memory().size()};
    region_ = *std::move(region);
    offered_ = std::move(offered);
    const std::lock_guard lock(registry_.mutex);
    registry_.add(*offered_);
    return offer;
  }

  Result<void> take(links::Offer offer) override {
    constexpr Error kNoOffer{Errc::protocol_error, Step::offer, 0, 0, 0};
    if (offer.numbers.size() != 2 || !offer.handles.empty()) return kNoOffer;
    {
      const std::lock_guard lock(registry_.mutex);
      region_ = registry_.take(offer.numbers[0], meeting_);
    }
    if (!region_ || region_->memory().size() != offer.numbers[1]) return kNoOffer;
    return {};
  }

  links::AnyLink link() override {
    return make_region_link(std::move(region_), offered_ ? CommonRegion::End::maker : CommonRegion::End::taker);
  }

 private:
  Registry& registry_;
  const std::uint64_t meeting_;
  const std::uint64_t backed_;
  std::shared_ptr<CommonRegion> region_;
  std::unique_ptr<OfferedRegion> offered_;  // on the listener's side, after make()
  Birthplace birthplace_;
};

// ---- meeting -------------------------------------------------------------------------------------------------------------

struct Ends {
  links::AnyLink dialer;
  links::AnyLink acceptor;
};

template <class Pair>
Result<Ends> ends_of(Result<Pair> pair) {
  if (!pair) return pair.error();
  return Ends{std::move(pair->first), std::move(pair->second)};
}

Result<Ends> make_ends(const Variant& variant) {
  return variant.shape == Shape::packets ? ends_of(make_packet_links(variant)) : ends_of(make_streams(variant));
}

links::Meeting make_meeting(links::AnyLink link) {
  links::Meeting meeting;
  meeting.peer = os::this_process();
  meeting.link = std::move(link);
  meeting.tether = std::make_unique<links::NoTether>();
  meeting.one_process = true;
  return meeting;
}

class InprocAcceptor final : public links::Acceptor {
 public:
  InprocAcceptor(Registry& registry, std::unique_ptr<Rendezvous> rendezvous) noexcept
      : registry_(registry), rendezvous_(std::move(rendezvous)) {}
  ~InprocAcceptor() override {
    if (!birthplace_.is_here()) {
      (void)rendezvous_.release();
      return;
    }
    const std::lock_guard lock(registry_.mutex);
    registry_.remove(*rendezvous_);
  }

  Result<links::Meeting> accept() override {
    const std::lock_guard lock(registry_.mutex);
    if (rendezvous_->waiting.empty()) return Errc::would_block;
    links::Meeting meeting = std::move(rendezvous_->waiting.front());
    rendezvous_->waiting.pop_front();
    rendezvous_->arrived.set(!rendezvous_->waiting.empty());
    return meeting;
  }
  [[nodiscard]] links::Waitable waitable() const override { return rendezvous_->arrived.waitable(); }
  [[nodiscard]] std::string where() const override { return rendezvous_->name; }

 private:
  Registry& registry_;
  std::unique_ptr<Rendezvous> rendezvous_;
  Birthplace birthplace_;
};

class InprocDialer final : public links::Dialer {
 public:
  InprocDialer(std::string name, std::optional<Variant> variant) noexcept : name_(std::move(name)), variant_(variant) {}

  Result<links::Meeting> connect() override {
    Registry& registry = Registry::instance();
    const std::lock_guard lock(registry.mutex);
    Rendezvous* rendezvous = registry.find(name_);
    if (rendezvous == nullptr) return Error{Errc::not_found, Step::connect, 0, 0, 0};
    const Variant& variant = rendezvous->variant;
    if (variant_ && *variant_ != variant) return Error{Errc::misuse, Step::connect, 0, 0, 0};
    if (rendezvous->waiting.size() >= kBacklog) return Errc::would_block;
    auto ends = make_ends(variant);
    if (!ends) return ends.error();
    auto dialers = make_meeting(std::move(ends->dialer));
    auto acceptors = make_meeting(std::move(ends->acceptor));
    if (variant.shape == Shape::region) {
      const std::uint64_t number = registry.next_meeting();
      dialers.private_link = std::make_unique<PrivateRegion>(registry, number, variant.backed);
      acceptors.private_link = std::make_unique<PrivateRegion>(registry, number, variant.backed);
    }
    rendezvous->waiting.push_back(std::move(acceptors));
    rendezvous->arrived.set(true);
    return dialers;
  }
  [[nodiscard]] links::Waitable waitable() const override { return {}; }

 private:
  const std::string name_;
  const std::optional<Variant> variant_;
};

class InprocMechanism final : public links::Mechanism {
 public:
  [[nodiscard]] Result<std::unique_ptr<links::Acceptor>> listen(const links::Place& place) const override {
    if (place.where.empty()) return Error{Errc::invalid_endpoint, Step::parse_endpoint, 0, 0, 0};
    const auto variant = variant_of(place);
    if (!variant) return variant.error();
    auto gate = os::Gate::create(os::Gate::Ready::for_reading, false);
    if (!gate) return gate.error();
    auto rendezvous = std::make_unique<Rendezvous>(place.where, variant->value_or(Variant{}), *std::move(gate));
    Registry& registry = Registry::instance();
    const std::lock_guard lock(registry.mutex);
    if (registry.find(place.where) != nullptr) return Error{Errc::address_in_use, Step::take_name, 0, 0, 0};
    registry.add(*rendezvous);
    return std::unique_ptr<links::Acceptor>(std::make_unique<InprocAcceptor>(registry, std::move(rendezvous)));
  }

  [[nodiscard]] Result<std::unique_ptr<links::Dialer>> dial(const links::Place& place) const override {
    if (place.where.empty()) return Error{Errc::invalid_endpoint, Step::parse_endpoint, 0, 0, 0};
    auto variant = variant_of(place);
    if (!variant) return variant.error();
    return std::unique_ptr<links::Dialer>(std::make_unique<InprocDialer>(place.where, *std::move(variant)));
  }

  [[nodiscard]] std::string probe_where(std::string_view unique) const override { return "probe-" + std::string(unique); }
};

}  // namespace
}  // namespace inproc

const links::Mechanism& inproc_mechanism() {
  static const auto* const forever =
      new inproc::InprocMechanism;  // never destroyed, so that nothing depends on the order at exit
  return *forever;
}

}  // namespace sluice::inline v0::mechanism
