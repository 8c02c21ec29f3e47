// The text that names where to meet: mechanism:where?option=value&option=value. In `where`, ? is written %3F and % is %25;
// in an option's value & is %26 as well. `mechanism://where` means the same as the mechanism's own syntax says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/options.hpp>
#include <sluice/result.hpp>

#include "core/conduct.hpp"
#include "core/framing.hpp"
#include "core/trace.hpp"

namespace sluice::inline v0::core {

struct Endpoint {
  std::string mechanism;                                     // letters and digits
  std::string where;                                         // decoded
  std::vector<std::pair<std::string, std::string>> options;  // decoded, in the order of the text
};

// invalid_endpoint (Step::parse_endpoint, first: the offset in the text at which it can't be read).
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

// The text again, encoded, without options.
[[nodiscard]] std::string to_text(std::string_view mechanism, std::string_view where);

// Everything that can be chosen, complete.
struct Limits {
  std::size_t max_message{std::size_t{64} << 20};
  std::size_t capacity{0};  // 0: the mechanism's default
  std::size_t max_handles{16};
  Allow allow{Allow::same_user};
  bool wait_for_listener{false};
  Conduct conduct;
  Framing framing{Framing::sluice};
  Trace trace{};  // filled in by resolve()
};

// Options of the call and of the text together, checked; the common ones are taken out of `endpoint.options`, so that what is
// left are the mechanism's own, of which `own` names those it knows. misuse (Step::check_options) for one that stands in both
// or twice; invalid_endpoint for one that nobody knows or a value that can't be read (first: which option of the text, from 0).
[[nodiscard]] Result<Limits> take_options(Endpoint& endpoint, const Options& options, std::string_view own);

// A number of bytes: digits, and K, M or G for powers of 1024. Nothing else, and nothing above 2^48.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text) noexcept;

}  // namespace sluice::inline v0::core
