// The README's second program: frames that are written in place, an open file that goes with them, and peers that may be killed
// at any moment. Linux.
//   frames show ENDPOINT COUNT     takes so many frames, from one camera after the other, then closes
//   frames film ENDPOINT FILE      hands the file over and films, until who shows has closed
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <sluice/sluice.hpp>
#include <span>
#include <string>

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFrame = std::size_t{1} << 20;

std::string beginning_of(const sluice::Handle& file) {
  std::array<char, 64> room;
  const auto size = pread(static_cast<int>(file.native()), room.data(), room.size(), 0);
  return {room.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

// Of one colour, and whole.
bool is_frame(std::span<const std::byte> bytes) { return bytes.size() == kFrame && bytes.front() == bytes.back(); }

// Films until the other side is gone, and says how it ended.
sluice::Error film(const std::string& endpoint, const sluice::Handle& palette) {
  sluice::Options patient;
  patient.wait_for_listener = true;
  auto channel = sluice::connect(endpoint, 30s, patient);
  if (!channel) return channel.error();
  const auto word = sluice::as_bytes("palette");
  if (const auto sent = channel->send({.parts = {&word, 1}, .handles = {&palette, 1}}, 10s); !sent) return sent.error();
  for (unsigned char number = 0;; ++number) {
    auto frame = channel->loan(kFrame, 10s);  // room in the channel's own memory
    if (!frame) return frame.error();
    std::ranges::fill(frame->bytes(), std::byte{number});
    if (const auto sent = frame->commit(); !sent) return sent.error();
  }
}

// A camera may be killed, too: the next one is waited for.
int show(const std::string& endpoint, int count) {
  auto listener = sluice::listen(endpoint).value();
  for (int shown = 0;;) {
    auto channel = listener.accept(30s).value();
    while (shown < count) {
      const auto message = channel.receive();  // a view: its place is the camera's again when it goes
      if (!message) break;
      if (message->handles().empty()) {
        if (!is_frame(message->bytes())) return 1;
        ++shown;
      } else {
        std::cout << "palette: " << beginning_of(message->handles()[0]) << std::flush;
      }
    }
    if (shown == count) return channel.close(10s) ? 0 : 1;
    std::cout << shown << " frames, then " << sluice::name(channel.ended()->code) << '\n' << std::flush;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string role = argc == 4 ? argv[1] : "";
  if (role == "show") return show(argv[2], std::stoi(argv[3]));
  if (role != "film") {
    std::cerr << "frames show ENDPOINT COUNT | frames film ENDPOINT FILE\n";
    return 2;
  }
  const sluice::Handle palette{open(argv[3], O_RDONLY | O_CLOEXEC)};
  auto end = film(argv[2], palette);
  while (end.code == sluice::Errc::peer_died) {
    std::cerr << "it was killed; waiting for the next one\n";
    end = film(argv[2], palette);
  }
  if (end.code == sluice::Errc::closed) return 0;
  std::cerr << sluice::describe(end, argv[2]) << '\n';
  return 1;
}
