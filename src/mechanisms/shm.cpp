// shm:name: a POSIX shared memory object (shm_overview(7)) for each connection, made by the listener's side when the client is
// known, unlinked at once, and handed over in the lobby with its two doorbells. So no name stays, whoever is killed. It stands
// on os/ for the lobby and the region; a peer of the same user can truncate the object under our mapping (the traits say so).
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "links/fault.hpp"
#include "links/mechanism.hpp"
#include "os/failure.hpp"
#include "os/lobby.hpp"
#include "os/shared_region.hpp"

namespace sluice::inline v0::mechanism {
namespace {

constexpr std::string_view kName = "shm";

// shm_open(3) wants one slash, at the beginning.
std::string object_name(const std::string& objects) { return '/' + objects; }

class ShmLink final : public links::PrivateLink {
 public:
  // `objects`: under which name the listener's side makes its objects; the other side makes none.
  explicit ShmLink(std::string objects = {}) : objects_(std::move(objects)) {}

  Result<links::Offer> make(std::size_t wish) override {
    const auto capacity = os::SharedRegion::capacity_for(wish);
    if (!capacity) return capacity.error();
    const std::string name = object_name(objects_);
    // O_EXCL: what has our name is never taken for ours. Close-on-exec by itself (shm_open(3)).
    links::Descriptor object{::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR)};
    // EMFILE, ENFILE: it is descriptors that are missing, not memory.
    if (!object) return os::failure(errno, errno == EMFILE || errno == ENFILE ? Step::offer : Step::make_region);
    fault::point("after-make-region");
    ::shm_unlink(name.c_str());
    auto region = os::SharedRegion::make(std::move(object), *capacity);
    if (!region) return region.error();
    region_ = *std::move(region);
    return region_->offer();
  }

  Result<void> take(links::Offer offer) override {
    auto region = os::SharedRegion::take(std::move(offer));
    if (!region) return region.error();
    region_ = *std::move(region);
    return {};
  }

  links::AnyLink link() override { return std::shared_ptr<links::RegionLink>(std::move(region_)); }

 private:
  std::string objects_;
  std::unique_ptr<os::SharedRegion> region_;
};

// camera and /camera are one name; other slashes shm_open(3) wouldn't take either.
Result<links::Place> name_of(links::Place place, Step step) {
  if (place.where.starts_with('/')) place.where.erase(0, 1);
  if (place.where.empty() || place.where.find('/') != std::string::npos) return Error{Errc::invalid_endpoint, step, 0, 0, 0};
  return place;
}

class Shm final : public links::Mechanism {
 public:
  [[nodiscard]] Result<std::unique_ptr<links::Acceptor>> listen(const links::Place& place) const override {
    const auto named = name_of(place, Step::listen);
    if (!named) return named.error();
    return os::lobby::listen(kName, *named,
                             {.make_link = [](const std::string& objects) { return std::make_unique<ShmLink>(objects); },
                              .sweep = [](const std::string& objects) { ::shm_unlink(object_name(objects).c_str()); }});
  }

  [[nodiscard]] Result<std::unique_ptr<links::Dialer>> dial(const links::Place& place) const override {
    const auto named = name_of(place, Step::connect);
    if (!named) return named.error();
    return os::lobby::dial(kName, *named, [] { return std::make_unique<ShmLink>(); });
  }

  [[nodiscard]] std::string probe_where(std::string_view unique) const override { return "probe-" + std::string{unique}; }
};

}  // namespace

const links::Mechanism& shm_mechanism() {
  static const Shm mechanism;
  return mechanism;
}

}  // namespace sluice::inline v0::mechanism
