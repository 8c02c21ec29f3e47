#include "raw_peer.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "content.hpp"

namespace sluice_test {
namespace {

constexpr std::size_t kHelloFixed = 64;
constexpr std::size_t kHeader = 8;
constexpr std::size_t kControlFixed = 16;
constexpr std::size_t kFrameLimit = 4096;

bool is_path(const std::string& door) { return door.starts_with('/'); }
bool is_abstract(const std::string& door) { return door.starts_with('@'); }
bool is_ipv6(const std::string& door) { return door.starts_with('['); }

struct Address {
  sockaddr_storage storage{};
  socklen_t size{0};
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Of a path, an abstract name, or an IPv4 or IPv6 address and a port; size 0 if it is none of them.
Address address_of(const std::string& door) {
  Address address;
  if (is_path(door) || is_abstract(door)) {
    sockaddr_un file{};
    file.sun_family = AF_UNIX;
    if (door.size() >= sizeof(file.sun_path)) throw std::system_error(ENAMETOOLONG, std::generic_category(), door);
    std::memcpy(file.sun_path, door.c_str(), door.size());
    address.size = sizeof(file);
    if (is_abstract(door)) {  // unix(7): a NUL, and as long as its length says
      file.sun_path[0] = '\0';
      address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + door.size());
    }
    std::memcpy(&address.storage, &file, address.size);
    return address;
  }
  const auto colon = door.rfind(':');
  if (is_ipv6(door)) {
    sockaddr_in6 port{};
    port.sin6_family = AF_INET6;
    if (colon < 2 || inet_pton(AF_INET6, door.substr(1, colon - 2).c_str(), &port.sin6_addr) != 1) return address;
    port.sin6_port = htons(static_cast<std::uint16_t>(std::atoi(door.c_str() + colon + 1)));
    std::memcpy(&address.storage, &port, address.size = sizeof(port));
    return address;
  }
  sockaddr_in port{};
  port.sin_family = AF_INET;
  if (colon == door.npos || inet_pton(AF_INET, door.substr(0, colon).c_str(), &port.sin_addr) != 1) return address;
  port.sin_port = htons(static_cast<std::uint16_t>(std::atoi(door.c_str() + colon + 1)));
  std::memcpy(&address.storage, &port, address.size = sizeof(port));
  return address;
}

int socket_for(const std::string& door) {
  const bool is_local = is_path(door) || is_abstract(door);
  const int internet = is_ipv6(door) ? AF_INET6 : AF_INET;
  return ::socket(is_local ? AF_UNIX : internet, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

bool wait_for(int fd, short events) {
  pollfd ready{fd, events, 0};
  return poll(&ready, 1, static_cast<int>(patience().count())) > 0;
}

}  // namespace

// ---- Wire ----------------------------------------------------------------------------------------------------------------

Wire& Wire::number(std::uint64_t value, std::size_t size) {
  for (std::size_t at = 0; at < size; ++at) bytes_.push_back(static_cast<std::byte>(value >> (8 * at) & 0xFF));
  return *this;
}

Wire& Wire::zeros(std::size_t count) {
  bytes_.resize(bytes_.size() + count);
  return *this;
}

Wire& Wire::random(std::size_t count, std::uint64_t seed) {
  const std::size_t at = bytes_.size();
  bytes_.resize(at + count);
  Content(seed, count).fill(std::span(bytes_).subspan(at));
  return *this;
}

Wire& Wire::text(std::string_view text) {
  for (const char letter : text) bytes_.push_back(static_cast<std::byte>(letter));
  return *this;
}

Wire& Wire::append(const Wire& other) {
  bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
  return *this;
}

Wire RawHello::wire() const {
  Wire wire;
  wire.text(magic).u16(lowest).u16(highest).u32(size).u64(required).u64(0).u64(largest);
  return wire.random(16, 1).u8(order).u8(word).zeros(6);
}

std::uint64_t raw_header(RawKind kind, std::uint32_t length, std::uint32_t back, std::uint32_t bits) {
  return std::uint64_t{back} << 32 | bits | static_cast<std::uint32_t>(kind) << 26 | length;
}

Wire raw_control(std::uint32_t word, std::uint32_t number, std::uint64_t value) {
  Wire wire;
  return wire.u64(raw_header(RawKind::control, kControlFixed)).u32(word).u32(number).u64(value);
}

std::uint32_t load_u32(std::span<const std::byte> bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.subspan(at, sizeof(value)).data(), sizeof(value));
  return value;
}

std::uint64_t load_u64(std::span<const std::byte> bytes, std::size_t at) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.subspan(at, sizeof(value)).data(), sizeof(value));
  return value;
}

// ---- Files and sockets ---------------------------------------------------------------------------------------------------

Files& Files::operator=(Files&& other) noexcept {
  if (this != &other) {
    close();
    files_.swap(other.files_);
  }
  return *this;
}

void Files::close() {
  for (const int fd : files_) ::close(fd);
  files_.clear();
}

RawSocket RawSocket::connect(const std::string& door) {
  const auto address = address_of(door);
  RawSocket socket(socket_for(door));
  if (::connect(socket.fd_, address.get(), address.size) != 0) throw std::system_error(errno, std::generic_category(), door);
  return socket;
}

bool RawSocket::send(std::span<const std::byte> bytes, const Files& files) {
  bool first = true;
  while (!bytes.empty()) {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    std::vector<std::byte> room(CMSG_SPACE(files.size() * sizeof(int)));
    if (first && files.size() != 0) {
      message.msg_control = room.data();
      message.msg_controllen = room.size();
      cmsghdr* head = CMSG_FIRSTHDR(&message);
      head->cmsg_level = SOL_SOCKET;
      head->cmsg_type = SCM_RIGHTS;
      head->cmsg_len = CMSG_LEN(files.size() * sizeof(int));
      std::memcpy(CMSG_DATA(head), files.all().data(), files.size() * sizeof(int));
    }
    if (!wait_for(fd_, POLLOUT)) return false;
    const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) continue;
    if (sent < 0) return false;
    first = false;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

std::optional<std::vector<std::byte>> RawSocket::receive(std::size_t size, Files* files) {
  std::vector<std::byte> bytes(size);
  std::size_t got = 0;
  while (got < size) {
    if (!wait_for(fd_, POLLIN)) return std::nullopt;
    iovec part{bytes.data() + got, size - got};
    constexpr std::size_t kMostFiles = 16;
    std::array<std::byte, CMSG_SPACE(kMostFiles * sizeof(int))> room{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room.data();
    message.msg_controllen = room.size();
    const ssize_t count = recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
    if (count <= 0) return std::nullopt;
    for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
      if (head->cmsg_type != SCM_RIGHTS) continue;
      for (std::size_t at = 0; at < (head->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++at) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(head) + at * sizeof(int), sizeof(int));
        if (files != nullptr) {
          files->add(fd);
        } else {
          ::close(fd);
        }
      }
    }
    got += static_cast<std::size_t>(count);
  }
  return bytes;
}

std::optional<std::vector<std::byte>> RawSocket::receive_hello() {
  auto hello = receive(kHelloFixed);
  if (!hello) return std::nullopt;
  constexpr std::size_t kSizeAt = 12;
  const std::size_t size = load_u32(*hello, kSizeAt);
  if (size < kHelloFixed || size > kFrameLimit) return std::nullopt;
  const auto items = receive(size - kHelloFixed);
  if (!items) return std::nullopt;
  hello->insert(hello->end(), items->begin(), items->end());
  return hello;
}

std::optional<std::vector<std::byte>> RawSocket::receive_control(Files* files) {
  auto frame = receive(kHeader, files);
  if (!frame) return std::nullopt;
  const std::uint32_t length = load_u32(*frame, 0) & ((1U << 26) - 1);
  if (length < kControlFixed || length > kFrameLimit) return std::nullopt;
  const auto payload = receive(length, files);
  if (!payload) return std::nullopt;
  frame->insert(frame->end(), payload->begin(), payload->end());
  return frame;
}

bool RawSocket::is_hung_up() {
  const auto until = Clock::now() + patience();
  std::array<std::byte, 4096> room{};
  while (Clock::now() < until) {
    if (!wait_for(fd_, POLLIN)) return false;
    if (recv(fd_, room.data(), room.size(), 0) <= 0) return true;
  }
  return false;
}

void RawSocket::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::optional<RawOffer> shake_hands(RawSocket& socket, const RawHello& hello) {
  if (!socket.send(hello.wire()) || !socket.receive_hello()) return std::nullopt;
  RawOffer offer;
  const auto frame = socket.receive_control(&offer.files);
  if (!frame || load_u32(*frame, kHeader) != word::kOffer) return std::nullopt;
  for (std::size_t at = kHeader + kControlFixed; at + 8 <= frame->size(); at += 8)
    offer.numbers.push_back(load_u64(*frame, at));
  if (!socket.send(raw_control(word::kReady))) return std::nullopt;
  return offer;
}

std::string find_door(const std::string& folder, const std::string& endpoint) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_socket()) return entry.path().string();
  std::string door = endpoint.substr(endpoint.find(':') + 1);
  if (is_path(door) || address_of(door).size == 0) throw std::runtime_error("no socket to knock at: " + endpoint);
  return door;
}

RawListener::RawListener(const std::string& door) : door_(door), fd_(socket_for(door)) {
  const auto address = address_of(door);
  const int on = 1;
  setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));  // connections of the listener before it don't matter
  constexpr int kBacklog = 16;
  if (bind(fd_, address.get(), address.size) != 0 || listen(fd_, kBacklog) != 0)
    throw std::system_error(errno, std::generic_category(), door);
}

RawListener::~RawListener() {
  close(fd_);
  if (is_path(door_)) unlink(door_.c_str());
}

std::optional<RawSocket> RawListener::accept() {
  if (!wait_for(fd_, POLLIN)) return std::nullopt;
  return RawSocket(accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
}

}  // namespace sluice_test
