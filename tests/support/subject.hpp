// What is tested: every mechanism that is built in, in the variants of the options table (subject.cpp). Nothing else in the
// tests knows a mechanism by name.
#pragma once

#include <sluice/sluice.hpp>

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace sluice_test {

struct Subject {
  std::string label;      // "unix", "inproc-packets": letters, digits and hyphens
  std::string mechanism;  // the word before the colon
  std::string options{};  // of the endpoint's text: "link=stream&chop=1", or empty
  std::string place{};    // how `where` is written: {folder}, {unique}, {loopback}, {port}; empty: as the own probe does
  std::string beyond{};   // where those listen who reach beyond this machine; empty: it doesn't
  bool has_names{true};   // one can listen and connect; else the ends are made together and handed over
  bool shares_user_limit{false};    // its system objects come out of a limit that all processes of the user share
  bool grows_with_clients{true};    // as many clients as one asks for; else until the shared limit is reached
  std::uint64_t few{3};             // so many messages of 300 bytes, and a control record, fit when nobody receives
  std::size_t stand_in_threads{0};  // of an end: threads by which a variant plays an operating system, not the library's own
  std::uint64_t bytes_a_second{0};  // roughly, where it is slow: big tests take less; 0: fast
  bool needs_ipv6{false};           // not available where the machine has none
  std::string makes_at{};           // the named point that a listener passes when it makes a client's objects; empty: none

  // How test programs print it.
  friend std::ostream& operator<<(std::ostream& out, const Subject& subject) { return out << subject.label; }
  // What its channels have to be: what its options ask for, else what the table of mechanisms says.
  [[nodiscard]] sluice::Shape shape() const;
  // Whether a mechanism is kept by its options from what the table says: its channels must say why.
  [[nodiscard]] bool falls_back() const;
  // A place to meet, of its own.
  [[nodiscard]] std::string endpoint(const std::string& folder, const std::string& unique) const;
};

// All subjects of this build, in the order of the table of mechanisms.
[[nodiscard]] const std::vector<Subject>& subjects();

// The row of the table of mechanisms, asked for once for each program; not available either where a variant needs more than
// the machine has.
[[nodiscard]] sluice::MechanismInfo row_of(const Subject& subject);

}  // namespace sluice_test
