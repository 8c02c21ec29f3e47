// local:name: the fastest that two processes of a machine have. They meet in the lobby; the listener's side makes memory
// without a name, seals its size, and hands it over with its two doorbells (os/shared_region.hpp), so there is nothing to clean
// up and nobody else can open it. Handles of messages travel on the lobby's connection, and so does everything where shared
// memory can't be made or taken: then the channel stays on that connection, and says why.
//
// The offer: that of a region, or, to stay on the connection, the numbers {0, the reason} and no handles. Who is offered a
// region and can't take it says the reason with `ready`. link=stream, at either end, is such a reason.
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "links/fault.hpp"
#include "links/mechanism.hpp"
#include "os/lobby.hpp"
#include "os/shared_region.hpp"
#include "os/socket_meeting.hpp"
#include "os/unnamed_memory.hpp"

namespace sluice::inline v0::mechanism {
namespace {

constexpr std::string_view kName = "local";
constexpr std::string_view kLinkOption = "link";
constexpr std::string_view kStream = "stream";

// Why a channel stays on the connection, as it goes over the wire.
enum class Reason : std::uint8_t { asked_for = 1, shortage = 2, forbidden = 3 };

// At this end, and at the other.
struct Words {
  std::string_view here;
  std::string_view there;
};

constexpr Words words_for(Reason reason) noexcept {
  switch (reason) {
    case Reason::asked_for:
      return {"link=stream asks for it at this end", "link=stream asks for it at the other end"};
    case Reason::shortage:
      return {"this end lacks the memory, address space or descriptors for a shared region",
              "the other end lacks the memory, address space or descriptors for a shared region"};
    case Reason::forbidden:
      break;
  }
  return {"the system lets this end have no shared region", "the system lets the other end have no shared region"};
}

std::optional<Reason> reason_of(std::uint64_t number) noexcept {
  if (number < static_cast<std::uint64_t>(Reason::asked_for) || number > static_cast<std::uint64_t>(Reason::forbidden))
    return std::nullopt;
  return static_cast<Reason>(number);
}

Reason reason_of(const Error& error) noexcept {
  return error.code == Errc::limit_reached || error.code == Errc::out_of_memory ? Reason::shortage : Reason::forbidden;
}

class LocalLink final : public links::PrivateLink {
 public:
  explicit LocalLink(bool stays) noexcept : is_asked_to_stay_(stays) {}

  Result<links::Offer> make(std::size_t wish) override {
    // Beyond what any region can have: that is told, and not got round.
    const auto capacity = os::SharedRegion::capacity_for(wish);
    if (!capacity) return capacity.error();
    if (is_asked_to_stay_) return offer_to_stay(Reason::asked_for);
    auto offer = make_region(*capacity);
    if (!offer) return offer_to_stay(reason_of(offer.error()));
    return offer;
  }

  Result<void> take(links::Offer offer) override {
    if (offer.numbers.size() == 2 && offer.numbers[0] == 0 && offer.handles.empty()) {
      const auto reason = reason_of(offer.numbers[1]);
      if (!reason) return Error{Errc::protocol_error, Step::offer, 0, 0, 0};
      fallback_ = words_for(*reason).there;
      return {};
    }
    auto region = os::SharedRegion::take(std::move(offer), os::SharedRegion::Size::sealed);
    if (!region && region.error().code == Errc::protocol_error) return region.error();
    if (region && !is_asked_to_stay_) {
      region_ = *std::move(region);
    } else {
      refuse(region ? Reason::asked_for : reason_of(region.error()));
    }
    return {};
  }

  Result<void> do_without(const Error& why) override {
    refuse(reason_of(why));
    return {};
  }

  links::AnyLink link() override { return std::shared_ptr<links::RegionLink>(std::move(region_)); }

  [[nodiscard]] std::string_view fallback() const override { return fallback_; }
  [[nodiscard]] std::uint32_t refusal() const override { return refusal_ ? static_cast<std::uint32_t>(*refusal_) : 0; }
  [[nodiscard]] bool stay(std::uint32_t why) override {
    const auto reason = reason_of(why);
    if (!reason || !fallback_.empty()) return false;  // no region was offered
    fallback_ = words_for(*reason).there;
    return true;
  }

 private:
  void refuse(Reason reason) {
    refusal_ = reason;
    fallback_ = words_for(reason).here;
  }

  Result<links::Offer> make_region(std::size_t capacity) {
    auto memory = os::new_unnamed_memory();
    if (!memory) return memory.error();
    fault::point("after-make-region");
    auto region = os::SharedRegion::make(*std::move(memory), capacity, os::SharedRegion::Size::sealed);
    if (!region) return region.error();
    auto offer = (*region)->offer();
    if (offer) region_ = *std::move(region);
    return offer;
  }

  links::Offer offer_to_stay(Reason reason) {
    fallback_ = words_for(reason).here;
    links::Offer offer;
    offer.numbers = {0, static_cast<std::uint64_t>(reason)};
    return offer;
  }

  bool is_asked_to_stay_;
  std::unique_ptr<os::SharedRegion> region_;
  std::string_view fallback_;
  std::optional<Reason> refusal_;
};

// link=stream, the only option.
Result<bool> stays_on_the_connection(const links::Place& place) {
  for (std::size_t which = 0; which < place.options.size(); ++which) {
    const auto& [name, value] = place.options[which];
    if (name != kLinkOption || value != kStream) {
      return Error{Errc::invalid_endpoint, Step::check_options, 0, static_cast<std::int64_t>(which), 0};
    }
  }
  return !place.options.empty();
}

os::InLobby over_connection(bool stays) {
  return {.make_private_link = [stays] { return std::make_unique<LocalLink>(stays); }, .carries_handles = true};
}

class Local final : public links::Mechanism {
 public:
  [[nodiscard]] Result<std::unique_ptr<links::Acceptor>> listen(const links::Place& place) const override {
    const auto stays = stays_on_the_connection(place);
    if (!stays) return stays.error();
    return os::lobby::listen(kName, place,
                             {.make_link = [stays = *stays](const std::string&) { return std::make_unique<LocalLink>(stays); },
                              .sweep = [](const std::string&) {},  // there is nothing that has a name
                              .carries = os::lobby::Carries::handles});
  }

  [[nodiscard]] Result<std::unique_ptr<links::Dialer>> dial(const links::Place& place) const override {
    const auto stays = stays_on_the_connection(place);
    if (!stays) return stays.error();
    return os::lobby::dial(
        kName, place, [stays = *stays] { return std::make_unique<LocalLink>(stays); }, os::lobby::Carries::handles);
  }

  // A connection like the lobby's, without a name: socketpair(2). The memory is made once the other end has said hello.
  [[nodiscard]] Result<links::Ends> make_ends(const links::Place& place, std::size_t) const override {
    if (!place.where.empty()) return Error{Errc::invalid_endpoint, Step::inherit, 0, 0, 0};
    const auto stays = stays_on_the_connection(place);
    if (!stays) return stays.error();
    return os::make_socket_ends(over_connection(*stays));
  }

  [[nodiscard]] Result<links::Meeting> take_end(std::vector<links::Descriptor> handles,
                                                const links::Place& place) const override {
    const auto stays = stays_on_the_connection(place);
    if (!stays) return stays.error();
    return os::take_socket_end(std::move(handles), place.allow, over_connection(*stays));
  }

  [[nodiscard]] std::string probe_where(std::string_view unique) const override { return "probe-" + std::string{unique}; }
};

}  // namespace

const links::Mechanism& local_mechanism() {
  static const Local mechanism;
  return mechanism;
}

}  // namespace sluice::inline v0::mechanism
