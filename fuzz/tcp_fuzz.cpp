// What tcp reads before anybody has shaken hands: the address in an endpoint's text, and the kernel's answer to the question
// whose a socket is. Neither reads beyond its bytes, and what was read as an address is written as one that means the same.
#include <string_view>

#include "fuzz/require.hpp"
#include "os/socket_owner.hpp"
#include "os/tcp_address.hpp"

using namespace sluice;
using sluice_fuzz::Input;
using sluice_fuzz::require;

namespace {

void read_address(std::string_view text) {
  const auto where = os::parse_host_and_port(text);
  if (!where) return;
  require(!where->host.empty() && where->host.size() < text.size(), "a host is part of the text");
  if (!where->is_bracketed) return;  // perhaps a name, which would be looked up
  const auto addresses = os::find_addresses(*where, Step::listen);
  require(addresses || addresses.error().code == Errc::invalid_endpoint, "the code of a refusal");
  if (!addresses) return;
  const auto again = os::parse_host_and_port(os::to_text(addresses->at(0)));
  require(again.has_value(), "an address is written as it is read");
  const auto same = os::find_addresses(*again, Step::listen);
  require(same && same->at(0) == addresses->at(0), "and means the same");
}

void read_answer(Input& input) {
  os::TcpAddress at;
  at.is_v6 = input.take<std::uint8_t>() % 2 != 0;
  if (at.is_v6) {
    at.bytes.back() = 1;  // ::1
  } else {
    at.bytes[0] = 127;  // 127.0.0.1
    at.bytes[3] = 1;
  }
  os::TcpAddress to = at;
  at.port = input.take<std::uint16_t>();
  to.port = input.take<std::uint16_t>();
  const auto owner = os::read_owner(input.rest(), at, to);
  require(owner || owner.error().code == Errc::not_supported, "an answer, or none");
  if (owner && *owner) require((*owner)->user_id >= 0, "a user has a number");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input{data, size};
  if (input.take<std::uint8_t>() % 2 == 0) {
    const auto text = input.rest();
    read_address({reinterpret_cast<const char*>(text.data()), text.size()});
  } else {
    read_answer(input);
  }
  return 0;
}
