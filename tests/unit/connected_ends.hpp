// Both ends of a channel in this process, for unit tests of what stands above the links.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cctype>
#include <chrono>
#include <optional>
#include <sluice/sluice.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "links/mechanism.hpp"
#include "links/system.hpp"
#include "support/sanitizers.hpp"

namespace sluice_test {

inline constexpr std::chrono::seconds kPatience{10};  // for an event that comes at once

struct Ends {
  sluice::Channel first;  // that connected
  sluice::Channel second;
};

inline Ends connect_ends_at(const std::string& endpoint, const sluice::Options& of_first = {},
                            const sluice::Options& of_second = {}) {
  auto listener = sluice::listen(endpoint, of_second).value();
  std::optional<sluice::Channel> first;
  std::thread connecting([&] { first.emplace(sluice::connect(endpoint, kPatience, of_first).value()); });
  auto second = listener.accept(kPatience);
  connecting.join();
  return Ends{*std::move(first), std::move(second).value()};
}

// An endpoint of its own over inproc, with these options ("?link=stream").
inline std::string fresh_endpoint(const std::string& options) {
  static std::atomic<int> number{0};
  return "inproc:ends-" + std::to_string(number++) + options;
}
inline Ends connect_ends(const std::string& options, const sluice::Options& of_first = {},
                         const sluice::Options& of_second = {}) {
  return connect_ends_at(fresh_endpoint(options), of_first, of_second);
}

// Tests over inproc, for each of kShapes: the options behind the endpoint.
class OverShapes : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (sluice::links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  }
};

inline auto every_shape() {
  return testing::Values("?link=region", "?link=stream", "?link=packets", "?link=stream&chop=1",
                         "?link=packets&packet=512&depth=2", "?link=packets&deliver=foreign");
}

// Whether millions of bytes would take longer there than anybody waits: each piece opens and closes a gate; under Wine that
// asks another process, and ThreadSanitizer looks at each byte of it.
inline bool is_slow_here(std::string_view shape) {
  const bool is_in_small_pieces = shape.find("chop=1") != shape.npos || shape.find("packet=512") != shape.npos;
  return is_in_small_pieces && (SLUICE_TEST_UNDER_TSAN || sluice::links::this_system() == "windows");
}

inline std::string name_of_shape(const testing::TestParamInfo<const char*>& tested) {
  std::string name;
  for (const char c : std::string{tested.param}) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

}  // namespace sluice_test
