// pipe: — two anonymous pipes, one each way (pipe(7)), made together: one end stays, the other is handed to a child, or to
// another process that gets the descriptors. It stands on os/ for the pipes, and promises streams of bytes. It has no name, so
// nobody listens or connects, and nothing is left behind.
//
// Who has the other end is whoever was given it: the system doesn't tell. Its death is the hang-up of both pipes, which is told
// although bytes lie in front of it (os/connection_tether.hpp).
#include <utility>
#include <vector>

#include "links/mechanism.hpp"
#include "os/connection_tether.hpp"
#include "os/handles.hpp"
#include "os/pipe_stream.hpp"

namespace sluice::inline v0::mechanism {
namespace {

Result<links::Meeting> meet(links::Descriptor incoming, links::Descriptor outgoing) {
  auto tether = os::tether_to_connection(incoming, outgoing);
  if (!tether) return tether.error();
  links::Meeting meeting;
  meeting.tether = *std::move(tether);
  meeting.link = std::unique_ptr<links::StreamLink>(std::make_unique<os::PipeStream>(std::move(incoming), std::move(outgoing)));
  return meeting;
}

constexpr Error kNobodyListens{Errc::not_supported, Step::make_pipes, 0, 0, 0};

class PipeMechanism final : public links::Mechanism {
 public:
  [[nodiscard]] Result<std::unique_ptr<links::Acceptor>> listen(const links::Place&) const override { return kNobodyListens; }
  [[nodiscard]] Result<std::unique_ptr<links::Dialer>> dial(const links::Place&) const override { return kNobodyListens; }

  [[nodiscard]] Result<links::Ends> make_ends(const links::Place& place, std::size_t capacity) const override {
    if (!place.where.empty()) return Error{Errc::invalid_endpoint, Step::inherit, 0, 0, 0};
    auto to_us = os::make_pipe(capacity);
    if (!to_us) return to_us.error();
    auto to_them = os::make_pipe(capacity);
    if (!to_them) return to_them.error();
    // Ours alone: whoever gets the others may know nothing of Sluice, and reads and writes them plainly.
    if (!os::set_nonblocking(to_us->reading) || !os::set_nonblocking(to_them->writing)) {
      return Error{Errc::not_supported, Step::make_pipes, 0, 0, 0};
    }
    auto ours = meet(std::move(to_us->reading), std::move(to_them->writing));
    if (!ours) return ours.error();
    links::Ends ends{*std::move(ours), {}};
    ends.theirs.push_back(std::move(to_them->reading));
    ends.theirs.push_back(std::move(to_us->writing));
    return ends;
  }

  [[nodiscard]] Result<links::Meeting> take_end(std::vector<links::Descriptor> handles, const links::Place&) const override {
    constexpr Error kNoEnd{Errc::misuse, Step::adopt, 0, 0, 0};
    if (handles.size() != 2 || !os::is_reading_end(handles[0]) || !os::is_writing_end(handles[1])) return kNoEnd;
    for (auto& handle : handles) {
      auto own = os::with_modes_of_its_own(std::move(handle));
      if (!own) return own.error();
      handle = *std::move(own);
    }
    return meet(std::move(handles[0]), std::move(handles[1]));
  }

  [[nodiscard]] std::string probe_where(std::string_view) const override { return {}; }
};

}  // namespace

const links::Mechanism& pipe_mechanism() {
  static const PipeMechanism mechanism;
  return mechanism;
}

}  // namespace sluice::inline v0::mechanism
