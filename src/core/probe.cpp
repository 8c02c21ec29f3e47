// sluice::mechanisms(): the table, and for each mechanism that is built in a probe that moves a message through a real pair.
#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>

#include <sluice/mechanisms.hpp>

#include "core/connecting.hpp"
#include "core/pairing.hpp"
#include "core/session.hpp"
#include "links/mechanism.hpp"
#include "links/system.hpp"

namespace sluice::inline v0 {

std::string_view name(Shape shape) noexcept {
  switch (shape) {
    case Shape::stream:
      return "stream";
    case Shape::packets:
      return "packets";
    case Shape::region:
      return "region";
  }
  return "unknown";
}

std::string_view name(Reach reach) noexcept {
  switch (reach) {
    case Reach::this_process:
      return "this process";
    case Reach::this_session:
      return "this session";
    case Reach::this_machine:
      return "this machine";
    case Reach::guests:
      return "this machine and its guests";
    case Reach::network:
      return "network";
    case Reach::many_machines:
      return "many machines";
  }
  return "unknown";
}

namespace core {
namespace {

constexpr std::chrono::seconds kProbeLimit{2};
constexpr std::size_t kProbeSize = 100;

Result<void> move_message(const links::Row& row, const links::Mechanism& mechanism, const links::Place& place) {
  auto pair = make_pair({row, mechanism, place, Limits{}}, kProbeLimit);
  if (!pair) return pair.error();
  Session sender{std::move(pair->first)};
  Session receiver{std::move(pair->second)};
  std::array<std::byte, kProbeSize> bytes;
  if (auto filled = links::random_bytes(bytes); !filled) return filled;
  const Bytes part{bytes};
  if (auto sent = sender.send({.parts = {&part, 1}}, kProbeLimit); !sent) return sent;
  const auto message = receiver.receive(kProbeLimit);
  if (!message) return message.error();
  return std::ranges::equal(message->bytes(), bytes) ? Result<void>{} : Result<void>{Errc::protocol_error, Step::receive};
}

[[nodiscard]] std::string why_not(const links::Row& row) {
  const std::string here{links::this_system()};
  if (row.systems.find(here) == std::string_view::npos) return "only on " + std::string{row.systems} + "; this is " + here;
  const auto* mechanism = links::find_mechanism(row.name);
  if (mechanism == nullptr) return "not built into this library (not written yet)";
  const links::Place place{mechanism->probe_where(unique_name("probe")), {}, Allow::same_user};
  const auto moved = move_message(row, *mechanism, place);
  return moved ? std::string{} : describe(moved.error(), to_text(row.name, place.where));
}

}  // namespace
}  // namespace core

std::vector<MechanismInfo> mechanisms() {
  std::vector<MechanismInfo> all;
  for (const auto& row : links::table()) {
    MechanismInfo info;
    info.name = row.name;
    info.systems = row.systems;
    info.link = row.link;
    info.where = row.where;
    info.traits = core::promised_traits(row, core::Limits{});
    info.built_in = links::find_mechanism(row.name) != nullptr;
    info.why_not = core::why_not(row);
    info.available = info.why_not.empty();
    all.push_back(std::move(info));
  }
  return all;
}

}  // namespace sluice::inline v0
