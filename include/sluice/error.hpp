// What can go wrong, as a small value: which kind, at which step, and the system's own code.
// Copying an Error never allocates; the sentence for people is composed once, by describe().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include <sluice/export.hpp>

namespace sluice::inline v0 {

// The kinds of failure that a program can act on.
enum class Errc : std::uint8_t {
  closed = 1,        // the peer said goodbye (or finished this direction), or this end was closed
  peer_died,         // the peer ended without goodbye; its process may still live
  timed_out,         // the deadline passed; where it was send's, nothing was put on the channel
  would_block,       // Deadline::now() was given, and the call would have had to wait
  too_large,         // the message, or the number of its handles, exceeds a limit (Error::first: how much, second: the limit)
  held,              // receive, receive_into, receive_many: messages still held take the room that the sender waits for
  not_supported,     // the mechanism, or this system, can't do that
  access_denied,     // the other side, or a name, belongs to somebody else (Error::first, second: the two user ids, if known)
  address_in_use,    // a live listener has that name, or something that is no listener's
  not_found,         // nobody listens there; listen: the folder isn't there; spawn: there is no such program; inherited:
                     // nothing of that name was inherited; Process::wait: it was reaped elsewhere
  limit_reached,     // a limit of the system or the user was reached (Error::first: needed, second: limit)
  protocol_error,    // the peer sent what no Sluice peer sends
  invalid_endpoint,  // the endpoint's text can't be read (Error::first: the position; at Step::check_options: which option of
                     // the text, from 0)
  misuse,            // the call breaks a rule of the interface
  out_of_memory,     // memory for a message or a buffer was refused
  interrupted,       // interrupt() was called
};

// The step during which an error arose. With the code and the two numbers it is what describe() needs.
enum class Step : std::uint8_t {
  none = 0,
  parse_endpoint,
  check_options,
  find_mechanism,
  find_runtime_folder,
  take_name,
  bind_name,
  listen,
  accept,
  connect,
  identify_peer,
  hello,
  offer,
  make_queues,
  make_region,
  map_region,
  reserve_memory,
  make_waiter,
  wait,
  send,
  receive,
  flush,
  finish,
  close,
  arm,
  use_after_fork,
  find_host,
  take_port,
  attach,  // handles to a message
  loan,
  commit,
  spawn,
  inherit,
  adopt,
  make_pipes,
};

// One failure. Trivially copyable; compare codes as enum values.
struct Error {
  Errc code{};
  Step step{Step::none};
  std::int32_t os_code{0};  // errno, GetLastError(), kern_return_t … ; 0: the system was not involved
  std::int64_t first{0};    // what it means depends on code and step, see Errc
  std::int64_t second{0};
};

// The name of a code as it stands in Errc, such as "peer_died".
[[nodiscard]] SLUICE_API std::string_view name(Errc code) noexcept;

// One sentence for people: what happened, where, and what to do. `endpoint` is named in it when given.
// Throws std::bad_alloc where std::string does.
[[nodiscard]] SLUICE_API std::string describe(const Error& error, std::string_view endpoint = {});

// The same as a std::error_code of the category "sluice". Compare it with Errc (`code == sluice::Errc::peer_died`) or with
// std::errc, never with another code or by the category's address: each copy of the library in a process has a category of its
// own, and codes of all of them equal the same Errc.
[[nodiscard]] SLUICE_API std::error_code to_error_code(const Error& error) noexcept;

// What a std::error_code is compared with.
[[nodiscard]] SLUICE_API std::error_condition make_error_condition(Errc code) noexcept;

// It would compile, and never be true.
bool operator==(Errc, std::errc) = delete;

}  // namespace sluice::inline v0

template <>
struct std::is_error_condition_enum<sluice::Errc> : std::true_type {};
