// What a mechanism is to the rest: one row of the table (platform-free, on every system) and, where it is built in, one
// object that makes acceptors and dialers. CONTRIBUTING.md walks through adding one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/mechanisms.hpp>
#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/meeting.hpp"

namespace sluice::inline v0::links {

// How the two ends of a mechanism find each other.
enum class Meet : std::uint8_t {
  accept,     // by the mechanism's own listen and accept
  lobby,      // in the lobby
  inherited,  // the ends are made together and handed to another process
};

// One row of the table of mechanisms.
struct Row {
  std::string_view name;     // the word before the colon
  std::string_view systems;  // where it exists: words of "linux macos windows"
  std::string_view link;     // as it is printed: "stream", "region + stream" …
  std::string_view where;    // what stands behind the colon, in a few words
  Meet meet;
  Reach reach;
  Traits promised;           // what Sluice promises with default options; mechanism, reach and max_message are filled in
  std::string_view options;  // the mechanism's own options in the endpoint's text: words
};

// The factory of one mechanism, stateless; its one instance lives for ever.
class Mechanism {
 public:
  virtual ~Mechanism() = default;

  // Takes the name and listens. address_in_use: a live listener has it; access_denied, not_found (a folder that isn't
  // there), limit_reached, invalid_endpoint.
  [[nodiscard]] virtual Result<std::unique_ptr<Acceptor>> listen(const Place& place) const = 0;
  // Prepares to connect; nothing is sent before Dialer::connect().
  [[nodiscard]] virtual Result<std::unique_ptr<Dialer>> dial(const Place& place) const = 0;
  // For ends that are made together, one to stay and one to be handed to another process: where the mechanism can. `capacity`:
  // bytes a direction, 0: the mechanism's default. not_supported: it can't. invalid_endpoint (Step::inherit): a place is named,
  // and there is none. limit_reached: descriptors, or the capacity.
  [[nodiscard]] virtual Result<Ends> make_ends(const Place& /*place*/, std::size_t /*capacity*/) const {
    return Error{Errc::not_supported, Step::inherit, 0, 0, 0};
  }
  // Takes an end that was handed over: what make_ends() has made, or handles of the same kinds that a launcher or a stranger
  // made. They are close-on-exec afterwards; modes that others share stay as they are where that can be. misuse (Step::adopt):
  // they are none of this mechanism's, or not connected. not_supported: the mechanism has no such ends.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): who overrides it keeps them
  [[nodiscard]] virtual Result<Meeting> take_end(std::vector<Descriptor> /*handles*/, const Place& /*place*/) const {
    return Error{Errc::not_supported, Step::adopt, 0, 0, 0};
  }
  // Listens with what listens already; its name stays whoever's made it. misuse (Step::adopt): it doesn't listen, or is none of
  // this mechanism's. not_supported: the mechanism has no such handle.
  [[nodiscard]] virtual Result<std::unique_ptr<Acceptor>> adopt_listening(Descriptor /*listening*/,
                                                                          const Place& /*place*/) const {
    return Error{Errc::not_supported, Step::adopt, 0, 0, 0};
  }
  // A place of its own in which the probe can listen and connect; `unique` (letters and digits) makes the name its own.
  // Empty where the ends are made together, and nobody listens.
  [[nodiscard]] virtual std::string probe_where(std::string_view unique) const = 0;
};

// All rows, on every system, in the order of the documentation (mechanisms/table.cpp).
[[nodiscard]] std::span<const Row> table() noexcept;
// The row of that name, or null.
[[nodiscard]] const Row* find_row(std::string_view name) noexcept;
// The factory of that name if it is built into this library, or null. Made by the build from the table: it calls
// `const links::Mechanism& sluice::v0::mechanism::NAME_mechanism()`, which src/mechanisms/NAME.cpp defines.
[[nodiscard]] const Mechanism* find_mechanism(std::string_view name) noexcept;

}  // namespace sluice::inline v0::links
