// Reading addresses by inet_pton, looking up names by getaddrinfo, which waits for the name service as long as the system says.
#include "os/windows/winsock.hpp"

#include <array>
#include <cstring>
#include <memory>

#include <netioapi.h>

#include "os/tcp_lookup.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr std::size_t kMostAddresses = 16;  // of one name; more are not tried
constexpr std::size_t kIpv4 = 4;            // bytes

Error lookup_failure(int code) noexcept {
  switch (code) {
    case EAI_AGAIN:
      return {Errc::timed_out, Step::find_host, 0, 0, 0};
    case EAI_MEMORY:
      return {Errc::out_of_memory, Step::find_host, 0, 0, 0};
    case WSANOTINITIALISED:
    case WSASYSNOTREADY:
      return {Errc::not_supported, Step::find_host, code, 0, 0};
    default:
      return {Errc::not_found, Step::find_host, 0, 0, 0};
  }
}

}  // namespace

std::optional<TcpAddress> read_v4(const std::string& text) noexcept {
  if (!start_winsock()) return std::nullopt;
  TcpAddress address;
  if (::inet_pton(AF_INET, text.c_str(), address.bytes.data()) != 1) return std::nullopt;
  return address;
}

std::optional<TcpAddress> read_v6(const std::string& text) noexcept {
  if (!start_winsock()) return std::nullopt;
  TcpAddress address;
  address.is_v6 = true;
  const std::size_t percent = text.find('%');
  if (::inet_pton(AF_INET6, text.substr(0, percent).c_str(), address.bytes.data()) != 1) return std::nullopt;
  if (percent == std::string::npos) return unmapped(address);
  const std::string behind = text.substr(percent + 1);
  address.scope = read_digits(behind).value_or(::if_nametoindex(behind.c_str()));
  if (address.scope == 0 || !unmapped(address).is_v6) return std::nullopt;
  return address;
}

Result<std::vector<TcpAddress>> look_up(const std::string& name) {
  if (auto started = start_winsock(); !started) return started.error();
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  if (const int code = ::getaddrinfo(name.c_str(), nullptr, &hints, &first); code != 0) return lookup_failure(code);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned{first, &::freeaddrinfo};
  std::vector<TcpAddress> addresses;
  for (const addrinfo* one = first; one != nullptr && addresses.size() < kMostAddresses; one = one->ai_next) {
    if (one->ai_addr == nullptr) continue;
    if (const auto address = address_of(*one->ai_addr)) addresses.push_back(*address);
  }
  if (addresses.empty()) return lookup_failure(EAI_NONAME);
  return addresses;
}

std::string to_text(const TcpAddress& address) {
  (void)start_winsock();
  std::array<char, INET6_ADDRSTRLEN> room{};
  ::inet_ntop(address.is_v6 ? AF_INET6 : AF_INET, address.bytes.data(), room.data(), room.size());
  std::string text = room.data();
  if (address.is_v6) {
    if (address.scope != 0) text += '%' + std::to_string(address.scope);
    text = '[' + text + ']';
  }
  return text + ':' + std::to_string(address.port);
}

std::optional<TcpAddress> address_of(const sockaddr& address) noexcept {
  TcpAddress found;
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    std::memcpy(found.bytes.data(), &v4.sin_addr, kIpv4);
    found.port = ntohs(v4.sin_port);
    return found;
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    std::memcpy(found.bytes.data(), &v6.sin6_addr, found.bytes.size());
    found.is_v6 = true;
    found.scope = v6.sin6_scope_id;
    found.port = ntohs(v6.sin6_port);
    return unmapped(found);
  }
  return std::nullopt;
}

}  // namespace sluice::inline v0::os
