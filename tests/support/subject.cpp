#include "subject.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <functional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "content.hpp"
#include "links/mechanism.hpp"
#include "machine.hpp"

namespace sluice_test {
namespace {

// The options table: variants of a mechanism, and what a test must know of its limits. A mechanism that isn't named here is
// tested as it is by default.
struct Variant {
  std::string_view mechanism;
  std::string_view suffix{};  // of the label
  std::string_view options{};
  std::string_view place{};
  std::string_view beyond{};
  bool shares_user_limit{false};
  bool grows_with_clients{true};
  std::uint64_t few{3};
  std::size_t stand_in_threads{0};
  std::uint64_t bytes_a_second{0};
  bool needs_ipv6{false};
  std::string_view makes_at{};
};

constexpr std::uint64_t kSlow = 2 << 20;       // one byte a call
constexpr std::uint64_t kMiddling = 16 << 20;  // a helper thread for every few kilobytes
constexpr std::uint64_t kSlower = 6 << 20;     // packets of 512 bytes, two at a time

constexpr auto kVariants = std::to_array<Variant>({
    {.mechanism = "local", .makes_at = "after-make-region"},
    {.mechanism = "local", .suffix = "stream", .options = "link=stream"},
    {.mechanism = "unix", .place = "{folder}/meet"},
    {.mechanism = "unix", .suffix = "abstract", .place = "@{unique}"},
    {.mechanism = "mq",
     .place = "/{unique}",
     .shares_user_limit = true,
     .grows_with_clients = false,
     .makes_at = "after-make-queues"},
    {.mechanism = "tcp", .place = "{loopback}", .beyond = "0.0.0.0:0"},
    {.mechanism = "tcp", .suffix = "v6", .place = "[::1]:{port}", .beyond = "[::]:0", .needs_ipv6 = true},
    {.mechanism = "shm", .makes_at = "after-make-region"},
    {.mechanism = "inproc", .suffix = "stream", .options = "link=stream"},
    {.mechanism = "inproc", .suffix = "packets", .options = "link=packets"},
    {.mechanism = "inproc", .suffix = "region", .options = "link=region"},
    {.mechanism = "inproc", .suffix = "chop", .options = "link=stream&chop=1", .bytes_a_second = kSlow},
    {.mechanism = "inproc",
     .suffix = "outbox",
     .options = "link=stream&outbox=4096",
     .stand_in_threads = 1,
     .bytes_a_second = kMiddling},
    {.mechanism = "inproc",
     .suffix = "tiny",
     .options = "link=packets&packet=512&depth=2",
     .few = 1,
     .bytes_a_second = kSlower},
    {.mechanism = "inproc", .suffix = "foreign", .options = "link=packets&deliver=foreign", .stand_in_threads = 1},
    {.mechanism = "inproc", .suffix = "unknown", .options = "link=packets&send=unknown"},
    {.mechanism = "inproc", .suffix = "blocking", .options = "link=packets&send=blocking", .stand_in_threads = 1},
    {.mechanism = "inproc", .suffix = "backed", .options = "link=region&backed=262144"},
});

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + by.size())) text.replace(at, what.size(), by);
}

// Whether somebody listens at that port, on all addresses and so on ours, or on ::1, of which there is but one: proc(5),
// /proc/net/tcp.
bool is_listened_at(std::uint64_t port) {
  constexpr std::string_view kListens = "0A";
  constexpr std::string_view kIpv6Loopback = "00000000000000000000000001000000";
  for (const auto* name : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream sockets(name);
    std::string line;
    while (std::getline(sockets, line)) {
      std::istringstream words(line);
      std::string number;
      std::string local;
      std::string remote;
      std::string state;
      words >> number >> local >> remote >> state;
      const auto colon = local.find(':');
      if (state != kListens || colon == local.npos) continue;
      const bool would_hear = local.find_first_not_of('0') == colon || local.starts_with(kIpv6Loopback);
      if (would_hear && std::stoul(local.substr(colon + 1), nullptr, 16) == port) return true;
    }
  }
  return false;
}

// A port that follows from a unique name, so that a test knows it beforehand: none that the system gives to clients
// (net.ipv4.ip_local_port_range, 32768 on; ip(7)), and none that a service of this machine or another test has.
std::string port_of(const std::string& unique) {
  constexpr std::uint64_t kFirstPort = 1024;
  constexpr std::uint64_t kPorts = 32'768 - kFirstPort;
  std::uint64_t port = kFirstPort + (mix(std::hash<std::string>{}(unique)) >> 32) % kPorts;
  while (is_listened_at(port)) port = kFirstPort + (port + 1 - kFirstPort) % kPorts;
  return std::to_string(port);
}

// An address of the loopback (all of 127.0.0.0/8 is there on Linux), and a port: neither another test nor another checkout has
// the same.
std::string loopback_of(const std::string& unique) {
  const std::uint64_t number = mix(std::hash<std::string>{}(unique));
  const auto part = [&](unsigned shift) { return std::to_string(1 + (number >> shift & 0xFF) % 254); };
  return "127." + part(0) + '.' + part(8) + '.' + part(16) + ':' + port_of(unique);
}

std::vector<Subject> make_subjects() {
  std::vector<Subject> all;
  for (const auto& row : sluice::links::table()) {
    if (sluice::links::find_mechanism(row.name) == nullptr) continue;
    const auto of_this = [&](const Variant& variant) { return variant.mechanism == row.name; };
    const bool has_names = row.meet != sluice::links::Meet::inherited;
    if (std::ranges::none_of(kVariants, of_this))
      all.push_back({.label = std::string(row.name), .mechanism = std::string(row.name), .has_names = has_names});
    for (const auto& variant : kVariants) {
      if (!of_this(variant)) continue;
      std::string label(row.name);
      if (!variant.suffix.empty()) label.append("-").append(variant.suffix);
      all.push_back({label, std::string(row.name), std::string(variant.options), std::string(variant.place),
                     std::string(variant.beyond), has_names, variant.shares_user_limit, variant.grows_with_clients, variant.few,
                     variant.stand_in_threads, variant.bytes_a_second, variant.needs_ipv6, std::string(variant.makes_at)});
    }
  }
  return all;
}

}  // namespace

sluice::Shape Subject::shape() const {
  for (const auto shape : {sluice::Shape::stream, sluice::Shape::packets, sluice::Shape::region})
    if (options.starts_with("link=" + std::string(sluice::name(shape)))) return shape;
  return sluice::links::find_row(mechanism)->promised.shape;
}

bool Subject::falls_back() const {
  const auto& promised = sluice::links::find_row(mechanism)->promised;
  return !promised.one_process && shape() != promised.shape;
}

std::string Subject::endpoint(const std::string& folder, const std::string& unique) const {
  std::string where = place;
  if (where.empty()) where = sluice::links::find_mechanism(mechanism)->probe_where(unique);
  replace_all(where, "{folder}", folder);
  replace_all(where, "{unique}", unique);
  if (where.find("{loopback}") != where.npos) replace_all(where, "{loopback}", loopback_of(unique));
  if (where.find("{port}") != where.npos) replace_all(where, "{port}", port_of(unique));
  std::string text = mechanism + ":" + where;
  if (!options.empty()) text += "?" + options;
  return text;
}

const std::vector<Subject>& subjects() {
  static const std::vector<Subject> all = make_subjects();
  return all;
}

namespace {

// What this machine has. Other tests may hold all of what the processes of a user share: that comes back when they end.
std::vector<sluice::MechanismInfo> probed_rows() {
  const auto until = std::chrono::steady_clock::now() + patience();
  while (true) {
    auto rows = sluice::mechanisms();
    const bool is_short = std::ranges::any_of(rows, [](const auto& row) {
      const auto shares = [&](const Variant& variant) { return variant.mechanism == row.name && variant.shares_user_limit; };
      return row.built_in && !row.available && std::ranges::any_of(kVariants, shares);
    });
    if (!is_short || std::chrono::steady_clock::now() > until) return rows;
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
}

}  // namespace

sluice::MechanismInfo row_of(const Subject& subject) {
  static const std::vector<sluice::MechanismInfo> rows = probed_rows();
  const auto found = std::ranges::find(rows, subject.mechanism, &sluice::MechanismInfo::name);
  if (found == rows.end()) return {};
  auto row = *found;
  if (row.available && subject.needs_ipv6 && !has_ipv6()) {
    row.available = false;
    row.why_not = "this machine has no IPv6 loopback (::1)";
  }
  return row;
}

}  // namespace sluice_test
