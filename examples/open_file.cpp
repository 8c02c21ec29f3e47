// An open file from a peer that is not trusted: somebody hands over a document, and this process, which may not open files of
// others itself, counts its lines. Linux.
//   open_file count ENDPOINT          takes one file from each client, until it gets the word "enough"
//   open_file hand ENDPOINT FILE      opens the file, hands it over, and prints the answer
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <optional>
#include <sluice/sluice.hpp>
#include <string>

namespace {

using namespace std::chrono_literals;

// What a stranger may cost us.
constexpr off_t kMostBytes = off_t{16} << 20;

sluice::Options wary() {
  sluice::Options options;
  options.max_message = 4096;  // a name and a word, not a document
  options.max_handles = 1;
  options.untrusted = true;  // nothing changes under our eyes while we judge it
  return options;
}

// The number of lines, or nothing if it is no file to be read from.
std::optional<std::size_t> count_lines(const sluice::Handle& file) {
  // A pipe would let us wait, a device can do anything when it is read.
  if (file.kind() != sluice::HandleKind::file && file.kind() != sluice::HandleKind::memory) return std::nullopt;
  const auto descriptor = static_cast<int>(file.native());
  struct stat facts{};
  if (fstat(descriptor, &facts) != 0 || facts.st_size > kMostBytes) return std::nullopt;
  // The position is shared with the sender, and the size can change: so pread, and never more than was allowed.
  std::size_t lines = 0;
  std::array<char, 65536> room;
  for (off_t at = 0; at < kMostBytes;) {
    const auto count = pread(descriptor, room.data(), room.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::nullopt;  // it was opened for writing alone
    if (count == 0) break;
    lines += static_cast<std::size_t>(std::count(room.begin(), room.begin() + count, '\n'));
    at += count;
  }
  return lines;
}

int count(const std::string& endpoint) {
  auto listener = sluice::listen(endpoint, wary()).value();
  while (true) {
    auto channel = listener.accept(30s).value();
    auto message = channel.receive(5s);
    if (!message) continue;  // it has gone, or keeps us waiting
    if (sluice::as_text(message->bytes()) == "enough") return 0;
    const auto lines = message->handles().size() == 1 ? count_lines(message->handles()[0]) : std::nullopt;
    const std::string answer = lines ? std::to_string(*lines) + " lines" : "no file that can be read";
    if (channel.send(sluice::as_bytes(answer), 1s)) (void)channel.close(1s);
  }
}

int hand(const std::string& endpoint, const std::string& path) {
  sluice::Options patient;
  patient.wait_for_listener = true;
  auto channel = sluice::connect(endpoint, 10s, patient).value();
  if (path == "enough") return channel.send(sluice::as_bytes(path), 5s) && channel.close(5s) ? 0 : 1;
  // O_NONBLOCK: a FIFO without a writer would keep us waiting, too.
  const sluice::Handle file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!file) {
    std::cerr << path << " can't be opened\n";
    return 1;
  }
  const auto name = sluice::as_bytes(path);
  channel.send({.parts = {&name, 1}, .handles = {&file, 1}}, 5s).value();
  std::cout << sluice::as_text(channel.receive(10s).value().copy()) << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string role = argc > 2 ? argv[1] : "";
  if (role == "count" && argc == 3) return count(argv[2]);
  if (role == "hand" && argc == 4) return hand(argv[2], argv[3]);
  std::cerr << "open_file count ENDPOINT | open_file hand ENDPOINT FILE|enough\n";
  return 2;
}
