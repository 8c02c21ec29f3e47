#include "unit/links_pair.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <string_view>

#include "links/mechanism.hpp"
#include "links/system.hpp"

namespace sluice::inline v0::test {
namespace {

constexpr std::array<std::string_view, 3> kTiny{"1", "7", "100"};  // sizes that make many small steps of everything

using Options = std::vector<std::pair<std::string, std::string>>;

std::vector<Options> inproc_variants(Shape shape) {
  switch (shape) {
    case Shape::stream:
      return {{{"link", "stream"}},
              {{"link", "stream"}, {"chop", "1"}},
              {{"link", "stream"}, {"buffer", "1"}},
              {{"link", "stream"}, {"buffer", "100"}, {"chop", "7"}},
              {{"link", "stream"}, {"outbox", "1"}, {"buffer", "300"}},
              {{"link", "stream"}, {"outbox", "4096"}, {"buffer", "1000"}},
              {{"link", "stream"}, {"outbox", "64K"}, {"chop", "333"}}};
    case Shape::packets:
      return {{{"link", "packets"}},
              {{"link", "packets"}, {"packet", "128"}},
              {{"link", "packets"}, {"packet", "512"}, {"depth", "2"}},
              {{"link", "packets"}, {"depth", "1"}, {"packet", "1M"}},
              {{"link", "packets"}, {"deliver", "foreign"}},
              {{"link", "packets"}, {"deliver", "foreign"}, {"depth", "1"}},
              {{"link", "packets"}, {"send", "unknown"}},
              {{"link", "packets"}, {"send", "blocking"}},
              {{"link", "packets"}, {"send", "blocking"}, {"deliver", "foreign"}, {"depth", "2"}, {"packet", "512"}},
              {{"link", "packets"}, {"send", "unknown"}, {"deliver", "foreign"}, {"depth", "3"}}};
    case Shape::region:
      return {{{"link", "region"}}, {{"link", "region"}, {"chop", "1"}, {"backed", "1M"}}};
  }
  return {};
}

}  // namespace

bool Subject::is_slow() const {
  return std::ranges::any_of(options,
                             [](const auto& option) { return std::ranges::find(kTiny, option.second) != kTiny.end(); });
}

std::ostream& operator<<(std::ostream& out, const Subject& subject) {
  out << subject.mechanism;
  char before = '?';
  for (const auto& [key, value] : subject.options) {
    out << before << key << '=' << value;
    before = '&';
  }
  return out;
}

std::string name_of(const testing::TestParamInfo<Subject>& info) {
  std::string name = info.param.mechanism;
  for (const auto& [key, value] : info.param.options) {
    if (key != "link") name += "_" + key + value;
  }
  return name;
}

std::vector<Subject> subjects(Shape shape) {
  std::vector<Subject> all;
  if (links::find_mechanism("inproc") != nullptr) {
    for (auto& options : inproc_variants(shape)) all.push_back({"inproc", std::move(options)});
  }
  for (const auto& row : links::table()) {
    if (row.name == "inproc" || row.promised.shape != shape || links::find_mechanism(row.name) == nullptr) continue;
    all.push_back({std::string(row.name), {}});
  }
  return all;
}

bool meets_in_lobby(const Subject& subject) { return links::find_row(subject.mechanism)->meet == links::Meet::lobby; }

links::Place place_for(const Subject& subject) {
  static std::atomic<unsigned> count{0};
  std::array<std::byte, 8> random{};
  (void)links::random_bytes(random).has_value();
  std::string unique = "unit" + std::to_string(++count) + "x";
  for (const auto byte : random) unique += static_cast<char>('a' + std::to_integer<int>(byte) % 26);
  return {links::find_mechanism(subject.mechanism)->probe_where(unique), subject.options, Allow::same_user};
}

Result<links::Meeting> accept(links::Acceptor& acceptor) {
  while (true) {
    auto meeting = acceptor.accept();
    if (meeting || meeting.error().code != Errc::would_block) return meeting;
    if (!becomes_readable(acceptor.waitable())) return Errc::timed_out;
  }
}

Result<links::Meeting> connect(links::Dialer& dialer) {
  const Deadline deadline = kEventually;
  while (true) {
    auto meeting = dialer.connect();
    if (meeting || meeting.error().code != Errc::would_block) return meeting;
    if (deadline.has_passed()) return Errc::timed_out;
    if (dialer.waitable()) {
      if (!becomes_writable(dialer.waitable())) return Errc::timed_out;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  }
}

namespace {

End end_of(links::Meeting meeting) {
  End end;
  end.tether = std::move(meeting.tether);
  end.private_link = std::move(meeting.private_link);
  (end.private_link ? end.meeting_link : end.link) = std::move(meeting.link);
  return end;
}

}  // namespace

Result<Ends> meet(const Subject& subject, std::size_t capacity) {
  const links::Mechanism& mechanism = *links::find_mechanism(subject.mechanism);
  const auto place = place_for(subject);
  if (links::find_row(subject.mechanism)->meet == links::Meet::inherited) {
    auto made = mechanism.make_ends(place, capacity);
    if (!made) return made.error();
    auto theirs = mechanism.take_end(std::move(made->theirs), place);
    if (!theirs) return theirs.error();
    return Ends{end_of(std::move(made->ours)), end_of(*std::move(theirs))};
  }
  auto acceptor = mechanism.listen(place);
  if (!acceptor) return acceptor.error();
  auto there = place;
  there.where = (*acceptor)->where();  // where the system has picked a part of it
  auto dialer = mechanism.dial(there);
  if (!dialer) return dialer.error();
  auto connected = connect(**dialer);
  if (!connected) return connected.error();
  auto accepted = accept(**acceptor);
  if (!accepted) return accepted.error();
  Ends ends{end_of(*std::move(accepted)), end_of(*std::move(connected))};
  if (ends.listening.private_link) {
    auto offer = ends.listening.private_link->make(capacity);
    if (!offer) return offer.error();
    if (auto taken = ends.connecting.private_link->take(*std::move(offer)); !taken) return taken.error();
    ends.listening.link = ends.listening.private_link->link();
    ends.connecting.link = ends.connecting.private_link->link();
  }
  return ends;
}

bool becomes_ready(links::Waitable waitable, links::Interest interest, Deadline deadline) {
  auto waiter = links::Waiter::create();
  if (!waiter || !waiter->add(waitable, interest, 1)) return false;
  std::array<links::Ready, 1> ready;
  const auto count = waiter->wait(ready, deadline);
  waiter->remove(waitable);
  return count && *count == 1 && ((interest.readable && ready[0].readable) || (interest.writable && ready[0].writable));
}

std::vector<std::byte> pattern(std::size_t size, std::uint32_t seed) {
  std::vector<std::byte> bytes(size);
  std::uint32_t state = seed * 2654435761U + 1;
  for (auto& byte : bytes) {
    state = state * 1664525U + 1013904223U;  // a linear congruential generator: any will do
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

}  // namespace sluice::inline v0::test
