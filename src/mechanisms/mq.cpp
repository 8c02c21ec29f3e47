// mq:/name: a pair of POSIX message queues (mq_overview(7)) for each connection, one a direction: made by the listener's side
// when the client is known, unlinked at once, and handed over in the lobby: on Linux a queue's descriptor is a file descriptor.
// Queues know no hang-up; the lobby's connection and the peer's process tell of the end. All queues of a user share
// RLIMIT_MSGQUEUE (800 KiB), so a pair shrinks when that runs out.
#include <fcntl.h>
#include <mqueue.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <utility>

#include "links/fault.hpp"
#include "links/mechanism.hpp"
#include "os/failure.hpp"
#include "os/handles.hpp"
#include "os/lobby.hpp"
#include "os/system_file.hpp"

namespace sluice::inline v0::mechanism {
namespace {

constexpr std::string_view kName = "mq";

// What a queue holds.
struct Depth {
  std::size_t packets;
  std::size_t size;  // of a packet, in bytes
};

// Linux's defaults: what everybody may make (mq_overview(7), msg_max and msgsize_max) …
constexpr Depth kUsual{10, 8192};
// … and what is made when these no longer fit: a tenth of it.
constexpr Depth kSmall{4, 1024};
// A queue that a peer offers may be any that Linux makes, but a packet must hold a record's header and some payload.
constexpr long kSmallestPacket = 128;
constexpr long kLargestPacket = 16L << 20;  // HARD_MSGSIZEMAX (mq_overview(7))

// What the system counts for a queue against RLIMIT_MSGQUEUE since Linux 3.5 (getrlimit(2)): the packets, and for each a
// msg_msg and a posix_msg_tree_node, of 48 bytes on 64-bit systems.
constexpr std::size_t bytes_of(const Depth& depth) noexcept {
  constexpr std::size_t kBookkeeping = 48 + 48;
  return depth.packets * (depth.size + kBookkeeping);
}

mqd_t queue(const links::Descriptor& descriptor) noexcept { return static_cast<mqd_t>(descriptor.native()); }

// A deadline that has passed: a call that has to wait answers ETIMEDOUT, whatever the peer has done to O_NONBLOCK.
constexpr std::timespec kNow{};

bool has_to_wait(int os_code) noexcept { return os_code == EAGAIN || os_code == ETIMEDOUT; }

class MqLink final : public links::PacketLink {
 public:
  // Null without memory.
  static std::unique_ptr<MqLink> create(links::Descriptor incoming, std::size_t incoming_size, links::Descriptor outgoing,
                                        std::size_t outgoing_size) {
    std::unique_ptr<MqLink> link(new MqLink(std::move(incoming), std::move(outgoing), outgoing_size));
    return link->arrived_.reserve(incoming_size) && link->leaving_.reserve(outgoing_size) ? std::move(link) : nullptr;
  }

  [[nodiscard]] std::size_t max_packet() const override { return max_packet_; }

  Result<std::size_t> send(std::span<const links::OutgoingPacket> packets) override {
    std::size_t sent = 0;
    for (const auto& packet : packets) {
      const auto done = send_one(packet);
      if (!done && sent == 0) return done.error();
      if (!done) break;
      ++sent;
    }
    return sent;
  }

  Result<std::size_t> receive(std::span<links::Packet> packets) override {
    std::size_t received = 0;
    for (auto& packet : packets) {
      const auto done = receive_one(packet);
      if (!done && received == 0) return done.error();
      if (!done) break;
      ++received;
    }
    return received;
  }

  [[nodiscard]] links::Waitable incoming() const override { return {incoming_.native()}; }
  [[nodiscard]] links::Waitable outgoing() const override { return {outgoing_.native()}; }

 private:
  MqLink(links::Descriptor incoming, links::Descriptor outgoing, std::size_t max_packet) noexcept
      : incoming_(std::move(incoming)), outgoing_(std::move(outgoing)), max_packet_(max_packet) {}

  Result<void> send_one(const links::OutgoingPacket& packet) {
    // Priority 0: among equals a queue keeps the order (mq_overview(7)).
    constexpr unsigned kPriority = 0;
    leaving_.clear();
    for (const auto part : packet.parts) {
      if (part.size() > max_packet_ - leaving_.size() || !leaving_.append(part))
        return Error{Errc::misuse, Step::send, EMSGSIZE, 0, 0};
    }
    const char* bytes = reinterpret_cast<const char*>(leaving_.data());
    while (::mq_timedsend(queue(outgoing_), bytes, leaving_.size(), kPriority, &kNow) != 0) {
      if (errno == EINTR) continue;
      return has_to_wait(errno) ? Error{Errc::would_block, Step::send, 0, 0, 0} : os::failure(errno, Step::send);
    }
    return {};
  }

  // The queue wants room for its largest packet; what arrived is copied, so that a packet takes no more than its size.
  Result<void> receive_one(links::Packet& packet) {
    char* room = reinterpret_cast<char*>(arrived_.data());
    ssize_t size = 0;
    while ((size = ::mq_timedreceive(queue(incoming_), room, arrived_.capacity(), nullptr, &kNow)) < 0) {
      if (errno == EINTR) continue;
      return has_to_wait(errno) ? Error{Errc::would_block, Step::receive, 0, 0, 0} : os::failure(errno, Step::receive);
    }
    packet.bytes.clear();
    packet.handles.clear();
    if (!packet.bytes.append({arrived_.data(), static_cast<std::size_t>(size)}))
      return Error{Errc::out_of_memory, Step::receive, 0, 0, 0};
    return {};
  }

  links::Descriptor incoming_;
  links::Descriptor outgoing_;
  std::size_t max_packet_;
  links::Buffer arrived_;  // room for one packet; used by the receiving thread
  links::Buffer leaving_;  // the same for the sending thread
};

// A queue's two ends, each with an open file of its own: what the peer sets at its end doesn't change ours, and neither end can
// do what is the other's.
struct Ends {
  links::Descriptor receiving;
  links::Descriptor sending;
};

// Makes a queue and unlinks it. 0 or the system's error number.
int make_queue(const std::string& name, const Depth& depth, Ends& ends) {
  mq_attr attributes{};
  attributes.mq_maxmsg = static_cast<long>(depth.packets);
  attributes.mq_msgsize = static_cast<long>(depth.size);
  // Both are close-on-exec by themselves on Linux (mq_open(3)).
  ends.receiving =
      links::Descriptor{::mq_open(name.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_NONBLOCK, S_IRUSR | S_IWUSR, &attributes)};
  if (!ends.receiving) return errno;
  fault::point("after-make-queues");
  ends.sending = links::Descriptor{::mq_open(name.c_str(), O_WRONLY | O_NONBLOCK)};
  const int os_code = ends.sending ? 0 : errno;
  ::mq_unlink(name.c_str());
  return os_code;
}

std::string queue_name(const std::string& objects, int which) { return '/' + objects + '-' + std::to_string(which); }

// The usual depth within what this system allows everybody, cut to the caller's wish (bytes a direction; 0: none).
Depth first_depth(std::size_t wish) {
  const auto most = os::read_number("/proc/sys/fs/mqueue/msg_max").value_or(kUsual.packets);
  const auto largest = os::read_number("/proc/sys/fs/mqueue/msgsize_max").value_or(kUsual.size);
  Depth depth{std::clamp<std::size_t>(most, 1, kUsual.packets), std::clamp<std::size_t>(largest, kSmallestPacket, kUsual.size)};
  if (wish != 0) depth.packets = std::clamp<std::size_t>(wish / depth.size, 1, depth.packets);
  return depth;
}

bool is_exhausted(int os_code) noexcept { return os_code == EMFILE || os_code == ENOSPC || os_code == ENOMEM; }

// EMFILE says that descriptors or that bytes for queues have run out (mq_open(3)): which one, opening anything else tells.
bool has_descriptors() noexcept { return static_cast<bool>(links::Descriptor{::open("/", O_PATH | O_CLOEXEC)}); }

// The error for queues that even small could not be made.
Error exhausted(int os_code, const Depth& depth) noexcept {
  if (os_code == EMFILE && !has_descriptors()) return os::failure(os_code, Step::offer);
  rlimit limit{};
  (void)::getrlimit(RLIMIT_MSGQUEUE, &limit);
  return {Errc::limit_reached, Step::make_queues, os_code, static_cast<std::int64_t>(2 * bytes_of(depth)),
          static_cast<std::int64_t>(limit.rlim_cur)};
}

// The attributes of a queue that a peer has offered, if it is one that can be used in that direction.
std::optional<mq_attr> inspect(const links::Descriptor& handle, int access) noexcept {
  mq_attr attributes{};
  const int flags = ::fcntl(queue(handle), F_GETFL);
  if (flags < 0 || ((flags & O_ACCMODE) != access && (flags & O_ACCMODE) != O_RDWR)) return std::nullopt;
  if (::mq_getattr(queue(handle), &attributes) != 0) return std::nullopt;  // EBADF: not a queue
  if (attributes.mq_msgsize < kSmallestPacket || attributes.mq_msgsize > kLargestPacket) return std::nullopt;
  if (!os::set_nonblocking(handle)) return std::nullopt;
  return attributes;
}

// The offer: no numbers; handles {the queue that the taking side receives from, the one it sends to}.
class MqPair final : public links::PrivateLink {
 public:
  // `objects`: under which names the listener's side makes its queues; the other side makes none.
  explicit MqPair(std::string objects = {}) : objects_(std::move(objects)) {}

  Result<links::Offer> make(std::size_t capacity) override {
    Depth depth = first_depth(capacity);
    auto offer = make_pair(depth);
    if (offer || !is_exhausted(offer.error().os_code)) return offer;
    depth = {std::min(depth.packets, kSmall.packets), std::min(depth.size, kSmall.size)};
    offer = make_pair(depth);
    if (!offer && is_exhausted(offer.error().os_code)) return exhausted(offer.error().os_code, depth);
    return offer;
  }

  Result<void> take(links::Offer offer) override {
    const Error broken{Errc::protocol_error, Step::offer, 0, 0, 0};
    if (!offer.numbers.empty() || offer.handles.size() != 2) return broken;
    const auto incoming = inspect(offer.handles[0], O_RDONLY);
    const auto outgoing = inspect(offer.handles[1], O_WRONLY);
    if (!incoming || !outgoing) return broken;
    return keep(MqLink::create(std::move(offer.handles[0]), static_cast<std::size_t>(incoming->mq_msgsize),
                               std::move(offer.handles[1]), static_cast<std::size_t>(outgoing->mq_msgsize)));
  }

  links::AnyLink link() override { return std::unique_ptr<links::PacketLink>(std::move(link_)); }

 private:
  Result<links::Offer> make_pair(const Depth& depth) {
    Ends to_us;
    Ends to_peer;
    int os_code = make_queue(queue_name(objects_, 0), depth, to_us);
    if (os_code == 0) os_code = make_queue(queue_name(objects_, 1), depth, to_peer);
    if (os_code != 0) return os::failure(os_code, Step::make_queues);
    if (auto kept = keep(MqLink::create(std::move(to_us.receiving), depth.size, std::move(to_peer.sending), depth.size));
        !kept) {
      return kept.error();
    }
    links::Offer offer;
    offer.handles.reserve(2);
    offer.handles.push_back(std::move(to_peer.receiving));
    offer.handles.push_back(std::move(to_us.sending));
    return offer;
  }

  Result<void> keep(std::unique_ptr<MqLink> link) {
    if (!link) return Error{Errc::out_of_memory, Step::make_queues, 0, 0, 0};
    link_ = std::move(link);
    return {};
  }

  std::string objects_;
  std::unique_ptr<MqLink> link_;
};

void sweep(const std::string& objects) {
  for (const int which : {0, 1}) ::mq_unlink(queue_name(objects, which).c_str());
}

// camera and /camera are one name; other slashes mq_open(3) wouldn't take either.
Result<links::Place> name_of(links::Place place, Step step) {
  if (!place.where.starts_with('/')) place.where.insert(0, 1, '/');
  if (place.where.size() == 1 || place.where.find('/', 1) != std::string::npos)
    return Error{Errc::invalid_endpoint, step, 0, 0, 0};
  return place;
}

class Mq final : public links::Mechanism {
 public:
  [[nodiscard]] Result<std::unique_ptr<links::Acceptor>> listen(const links::Place& place) const override {
    const auto named = name_of(place, Step::listen);
    if (!named) return named.error();
    return os::lobby::listen(
        kName, *named,
        {.make_link = [](const std::string& objects) { return std::make_unique<MqPair>(objects); }, .sweep = sweep});
  }

  [[nodiscard]] Result<std::unique_ptr<links::Dialer>> dial(const links::Place& place) const override {
    const auto named = name_of(place, Step::connect);
    if (!named) return named.error();
    return os::lobby::dial(kName, *named, [] { return std::make_unique<MqPair>(); });
  }

  [[nodiscard]] std::string probe_where(std::string_view unique) const override { return "/probe-" + std::string{unique}; }
};

}  // namespace

const links::Mechanism& mq_mechanism() {
  static const Mq mechanism;
  return mechanism;
}

}  // namespace sluice::inline v0::mechanism
