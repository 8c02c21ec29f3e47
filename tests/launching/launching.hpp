// What the tests of launching share.
#pragma once

#include <gtest/gtest.h>

#include <sluice/sluice.hpp>

#include <chrono>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "links/mechanism.hpp"
#include "machine.hpp"
#include "process.hpp"

namespace sluice_test {

using namespace std::chrono_literals;
inline constexpr auto kPatience = 10s;

[[nodiscard]] inline std::string child_program() { return program_folder() + "/sluice-test-child"; }
[[nodiscard]] inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span{text}); }
[[nodiscard]] inline std::string text_of(const sluice::Message& message) {
  return {reinterpret_cast<const char*>(message.bytes().data()), message.bytes().size()};
}

template <class Value>
[[nodiscard]] std::string code_of(const sluice::Result<Value>& result) {
  return result ? "ok" : std::string(sluice::name(result.error().code));
}
#define EXPECT_CODE(result, errc) EXPECT_EQ(sluice_test::code_of(result), sluice::name(errc))
#define ASSERT_DONE(result) ASSERT_TRUE(result) << sluice::describe((result).error())
#define EXPECT_DONE(result) EXPECT_EQ(sluice_test::code_of(result), "ok")

// Of these endpoints those whose mechanism is built in, as parameters of a suite; named after it.
[[nodiscard]] inline auto over(std::initializer_list<const char*> endpoints) {
  std::vector<const char*> all{endpoints};
  std::erase_if(all, [](const std::string_view endpoint) {
    return sluice::links::find_mechanism(endpoint.substr(0, endpoint.find(':'))) == nullptr;
  });
  return testing::ValuesIn(all);
}
[[nodiscard]] inline std::string mechanism_of(const testing::TestParamInfo<const char*>& tested) {
  const std::string endpoint = tested.param;
  return endpoint.substr(0, endpoint.find(':'));
}
// A test that is about these mechanisms, and not about any.
#define NEEDS(...)                         \
  for (const auto* needed : {__VA_ARGS__}) \
    if (sluice::links::find_mechanism(needed) == nullptr) GTEST_SKIP() << needed << " is not built in"

// Sends a message and has it back.
inline void expect_echo(sluice::Channel& channel, const std::string& text) {
  EXPECT_DONE(channel.send(bytes_of(text), kPatience));
  const auto message = channel.receive(kPatience);
  ASSERT_DONE(message);
  EXPECT_EQ(text_of(*message), text);
}

// No child of this process is left that nobody has reaped.
[[nodiscard]] bool has_children();

}  // namespace sluice_test
