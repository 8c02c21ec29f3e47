#include "control.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

namespace sluice_test {

Words::Words(std::string_view text) {
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    if (const auto equals = word.find('='); equals != word.npos) set(word.substr(0, equals), word.substr(equals + 1));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string Words::text(std::string_view key, std::string_view otherwise) const {
  const auto found = words_.find(key);
  return found != words_.end() ? found->second : std::string(otherwise);
}

std::uint64_t Words::number(std::string_view key, std::uint64_t otherwise) const {
  const auto found = words_.find(key);
  if (found == words_.end()) return otherwise;
  const std::string& value = found->second;
  std::uint64_t number = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
  return read.ec == std::errc{} ? number : otherwise;
}

std::string Words::line() const {
  std::string line;
  for (const auto& [key, value] : words_) {
    if (!line.empty()) line += ' ';
    line += key;
    line += '=';
    line += value;
  }
  return line;
}

ControlSocket& ControlSocket::operator=(ControlSocket&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
    buffer_ = std::move(other.buffer_);
  }
  return *this;
}

std::pair<ControlSocket, ControlSocket> ControlSocket::pair() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair");
  return {ControlSocket(ends[0]), ControlSocket(ends[1])};
}

bool ControlSocket::send(std::string_view line, std::span<const int> handles) const {
  std::string text(line);
  text += '\n';
  std::string_view rest = text;
  while (!rest.empty()) {
    iovec part{const_cast<char*>(rest.data()), rest.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostHandles * sizeof(int))> room{};
    if (!handles.empty()) {
      message.msg_control = room.data();
      message.msg_controllen = CMSG_SPACE(handles.size_bytes());
      cmsghdr* head = CMSG_FIRSTHDR(&message);
      head->cmsg_level = SOL_SOCKET;
      head->cmsg_type = SCM_RIGHTS;
      head->cmsg_len = CMSG_LEN(handles.size_bytes());
      std::memcpy(CMSG_DATA(head), handles.data(), handles.size_bytes());
    }
    const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    handles = {};
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

ssize_t ControlSocket::receive_some() {
  std::array<char, 4096> room{};
  iovec part{room.data(), room.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostHandles * sizeof(int))> handles{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = handles.data();
  message.msg_controllen = handles.size();
  const ssize_t got = recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
  if (got <= 0) return got;
  buffer_.append(room.data(), static_cast<std::size_t>(got));
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    for (std::size_t at = 0; at < (head->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++at)
      std::memcpy(&handles_.emplace_back(-1), CMSG_DATA(head) + at * sizeof(int), sizeof(int));
  }
  return got;
}

std::optional<std::string> ControlSocket::receive(std::optional<milliseconds> wait) {
  timed_out_ = false;
  while (true) {
    if (const auto end = buffer_.find('\n'); end != buffer_.npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (wait) {
      pollfd ready{fd_, POLLIN, 0};
      const int count = poll(&ready, 1, static_cast<int>(wait->count()));
      if (count < 0 && errno == EINTR) continue;
      if (count == 0) {
        timed_out_ = true;
        return std::nullopt;
      }
    }
    const ssize_t got = receive_some();
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
  }
}

void ControlSocket::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void ControlSocket::shut_down() const noexcept { shutdown(fd_, SHUT_RDWR); }

}  // namespace sluice_test
