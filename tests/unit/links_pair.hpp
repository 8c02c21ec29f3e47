// What the contract tests of the links stand on: each implementation of a shape, under the mechanism's own name and options,
// and two ends of it in this process. A mechanism that is built in is picked up from the table: nothing here names one but
// inproc, with all its variants.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sluice/deadline.hpp>
#include <sluice/mechanisms.hpp>
#include <sluice/result.hpp>

#include "links/meeting.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::test {

// No test waits longer than this for an event …
inline constexpr std::chrono::seconds kEventually{10};
// … nor less than this to see that none comes.
inline constexpr std::chrono::milliseconds kNever{30};

// One implementation of a shape.
struct Subject {
  std::string mechanism;
  std::vector<std::pair<std::string, std::string>> options;

  // Moves a few bytes or packets at a time: tests send less over it.
  [[nodiscard]] bool is_slow() const;
};
std::ostream& operator<<(std::ostream& out, const Subject& subject);
// For INSTANTIATE_TEST_SUITE_P: letters, digits and underscores.
std::string name_of(const testing::TestParamInfo<Subject>& info);

// All implementations of a shape that are built in.
std::vector<Subject> subjects(Shape shape);

// One end: the channel's link, and what else is open. Members are destroyed from the last to the first.
struct End {
  links::AnyLink meeting_link;  // of mechanisms with a private link: a stream; else empty
  std::unique_ptr<links::Tether> tether;
  std::unique_ptr<links::PrivateLink> private_link;
  links::AnyLink link;

  [[nodiscard]] links::StreamLink& stream() const { return *std::get<0>(link); }
  [[nodiscard]] links::PacketLink& packets() const { return *std::get<1>(link); }
  [[nodiscard]] links::RegionLink& region() const { return *std::get<2>(link); }
};

struct Ends {
  End listening;
  End connecting;
};

// Whether its row of the table says so.
bool meets_in_lobby(const Subject& subject);

// A place for the subject that no other test uses.
links::Place place_for(const Subject& subject);
// Listens, connects and accepts in this process. `capacity`: for PrivateLink::make().
Result<Ends> meet(const Subject& subject, std::size_t capacity = 0);
// An accept that waits for the client.
Result<links::Meeting> accept(links::Acceptor& acceptor);
Result<links::Meeting> connect(links::Dialer& dialer);

// Whether the waitable becomes ready for the interest before the deadline has passed.
bool becomes_ready(links::Waitable waitable, links::Interest interest, Deadline deadline = kEventually);
inline bool becomes_readable(links::Waitable waitable) {
  return becomes_ready(waitable, {.readable = true, .writable = false});
}
inline bool becomes_writable(links::Waitable waitable) {
  return becomes_ready(waitable, {.readable = false, .writable = true});
}
inline bool stays_unreadable(links::Waitable waitable) {
  return !becomes_ready(waitable, {.readable = true, .writable = false}, kNever);
}
inline bool stays_unwritable(links::Waitable waitable) {
  return !becomes_ready(waitable, {.readable = false, .writable = true}, kNever);
}

// Polls a condition for which there is no waitable.
template <class Condition>
bool becomes_true(Condition condition) {
  const Deadline deadline = kEventually;
  while (!condition()) {
    if (deadline.has_passed()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  return true;
}

// Bytes that differ at every place and for every seed.
std::vector<std::byte> pattern(std::size_t size, std::uint32_t seed = 1);

// Nothing to add where it holds a value, else the sentence for people.
template <class T>
testing::AssertionResult is_ok(const Result<T>& result) {
  if (result) return testing::AssertionSuccess();
  return testing::AssertionFailure() << name(result.error().code) << " at step " << static_cast<int>(result.error().step)
                                     << ", os " << result.error().os_code;
}
template <class T>
testing::AssertionResult fails_with(Errc code, const Result<T>& result) {
  if (result) return testing::AssertionFailure() << "succeeded";
  if (result.error().code == code) return testing::AssertionSuccess();
  return testing::AssertionFailure() << name(result.error().code) << " instead of " << name(code);
}

}  // namespace sluice::inline v0::test
