#include "raw_peer.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "content.hpp"

namespace sluice_test {
namespace {

constexpr std::size_t kHelloFixed = 64;
constexpr std::size_t kHeader = 8;
constexpr std::size_t kControlFixed = 16;
constexpr std::size_t kFrameLimit = 4096;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) throw std::system_error(ENAMETOOLONG, std::generic_category(), path);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
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

RawSocket RawSocket::connect(const std::string& path) {
  const auto address = address_of(path);
  RawSocket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    throw std::system_error(errno, std::generic_category(), path);
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

std::string find_socket(const std::string& folder) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_socket()) return entry.path().string();
  return {};
}

RawListener::RawListener(const std::string& path) : path_(path) {
  const auto address = address_of(path);
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  constexpr int kBacklog = 16;
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 || listen(fd_, kBacklog) != 0)
    throw std::system_error(errno, std::generic_category(), path);
}

RawListener::~RawListener() {
  close(fd_);
  unlink(path_.c_str());
}

std::optional<RawSocket> RawListener::accept() {
  if (!wait_for(fd_, POLLIN)) return std::nullopt;
  return RawSocket(accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
}

}  // namespace sluice_test
