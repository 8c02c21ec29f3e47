// Any text as an endpoint: it is read or refused with a position in it, and what was read is written and read the same again.
#include <string_view>

#include <sluice/message.hpp>

#include "core/endpoint.hpp"
#include "fuzz/require.hpp"

using namespace sluice;
using namespace sluice::core;
using sluice_fuzz::require;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text(std::as_bytes(std::span{data, size}));
  if (const auto number = parse_size(text)) require(*number <= std::uint64_t{1} << 48, "a size is at most 2^48");

  auto endpoint = parse_endpoint(text);
  if (!endpoint) {
    const auto position = endpoint.error().first;
    require(endpoint.error().code == Errc::invalid_endpoint, "the code of a refusal");
    require(position >= 0 && position <= static_cast<std::int64_t>(size), "the position lies in the text");
    require(!describe(endpoint.error(), text).empty(), "a refusal is described");
    return 0;
  }
  require(endpoint->mechanism + ":" == text.substr(0, endpoint->mechanism.size() + 1),
          "the mechanism is what stands before the colon");
  const auto again = parse_endpoint(to_text(endpoint->mechanism, endpoint->where));
  require(again && again->where == endpoint->where && again->options.empty(), "the text of a place leads to the same place");

  const std::size_t given = endpoint->options.size();
  const auto limits = take_options(*endpoint, {}, "link packet depth");
  if (limits) {
    for (const auto& [name, value] : endpoint->options) {
      require(name == "link" || name == "packet" || name == "depth", "only the mechanism's own options are left");
    }
  } else {
    const auto which = limits.error().first;
    require(which >= 0 && which < static_cast<std::int64_t>(given), "one of the options of the text is to blame");
    require(!describe(limits.error(), text).empty(), "a refusal is described");
  }
  return 0;
}
