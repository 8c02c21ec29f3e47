#include "handles.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "content.hpp"

namespace sluice_test {
namespace {

using sluice::Handle;
using sluice::HandleKind;

constexpr std::array kKinds{HandleKind::file, HandleKind::memory, HandleKind::pipe, HandleKind::socket};

HandleKind kind_at(std::uint64_t number, std::size_t index) noexcept { return kKinds[(number + index) % kKinds.size()]; }

std::string text_at(std::uint64_t seed, std::uint64_t number, std::size_t index) {
  return "handle " + std::to_string(index) + " of message " + std::to_string(number) + " of " + std::to_string(seed);
}

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

void write_text(int fd, const std::string& text) {
  if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) fail("write");
}

int open_nameless_file() {
  std::string name = "/tmp/sluice-handle-XXXXXX";
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd >= 0) ::unlink(name.c_str());
  return fd;
}

// An open object with that text behind it: whoever reads it gets the text, then the end.
Handle make_handle(HandleKind kind, const std::string& text) {
  std::array<int, 2> ends{-1, -1};
  if (kind == HandleKind::pipe && ::pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe2");
  if (kind == HandleKind::socket && ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) fail("socketpair");
  if (kind == HandleKind::memory) ends[0] = ends[1] = ::memfd_create("sluice-test", MFD_CLOEXEC);
  if (kind == HandleKind::file) ends[0] = ends[1] = open_nameless_file();
  Handle handle{ends[0]};
  if (!handle) fail("opening what is to be sent");
  write_text(ends[1], text);
  if (ends[1] != ends[0]) ::close(ends[1]);
  return handle;
}

std::string read_all(int fd, bool has_position) {
  std::string text;
  std::array<char, 256> room{};
  while (true) {
    const ssize_t count = has_position ? ::pread(fd, room.data(), room.size(), static_cast<off_t>(text.size()))
                                       : ::read(fd, room.data(), room.size());
    if (count <= 0) return text;
    text.append(room.data(), static_cast<std::size_t>(count));
  }
}

std::string wrong_handle(const Handle& handle, HandleKind kind, const std::string& text) {
  const int fd = static_cast<int>(handle.native());
  const int flags = ::fcntl(fd, F_GETFD);
  if (flags < 0) return text + " is not open";
  if ((flags & FD_CLOEXEC) == 0) return text + " would be inherited by a program that is executed";
  const bool is_file = kind == HandleKind::file || kind == HandleKind::memory;  // /tmp may be memory, too
  const HandleKind is = handle.kind();
  const bool is_file_itself = is == HandleKind::file || is == HandleKind::memory;
  if (is != kind && !(kind == HandleKind::file && is_file_itself))
    return text + " is of kind " + std::to_string(static_cast<int>(is)) + ", not " + std::to_string(static_cast<int>(kind));
  const std::string behind = read_all(fd, is_file);
  return behind == text ? std::string{} : "behind '" + text + "' there is '" + behind + "'";
}

}  // namespace

HandleCounts HandleCounts::of(const std::string& word) {
  if (word == "mixed") return {};
  return {.mixed = false, .fixed = static_cast<std::size_t>(std::stoull(word))};
}

std::size_t HandleCounts::at(std::uint64_t number) const noexcept {
  if (!mixed) return fixed;
  constexpr std::uint64_t kRare = 7;
  constexpr std::size_t kMost = 16;  // Options::max_handles by default
  if (number % 3 == 0) return 0;
  return number % kRare == 1 ? kMost : 1 + number % 4;
}

std::vector<Handle> make_handles(const HandleCounts& counts, std::uint64_t seed, std::uint64_t number) {
  std::vector<Handle> handles;
  for (std::size_t index = 0; index < counts.at(number); ++index)
    handles.push_back(make_handle(kind_at(number, index), text_at(seed, number, index)));
  return handles;
}

std::string wrong_handles(const HandleCounts& counts, std::uint64_t seed, std::uint64_t number,
                          std::span<const Handle> handles) {
  if (handles.size() != counts.at(number))
    return "message " + std::to_string(number) + " has " + std::to_string(handles.size()) + " handles instead of " +
           std::to_string(counts.at(number));
  for (std::size_t index = 0; index < handles.size(); ++index)
    if (auto wrong = wrong_handle(handles[index], kind_at(number, index), text_at(seed, number, index)); !wrong.empty())
      return wrong;
  return {};
}

}  // namespace sluice_test
