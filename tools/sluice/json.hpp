// JSON on standard output, its keys in the order in which they were written.
#pragma once

#include <nlohmann/json.hpp>

#include "standard_streams.hpp"

namespace tool {

using Json = nlohmann::ordered_json;

// Prints the value. File names are bytes: those that are no UTF-8 are shown with U+FFFD instead of failing.
inline void print(const Json& json) {
  constexpr int kIndent = 2;
  print(stdout, "{}\n", json.dump(kIndent, ' ', false, Json::error_handler_t::replace));
}

}  // namespace tool
