// The README's second program: frames that are written in place, an open file that goes with one of them, and peers that may be
// killed at any moment. Linux.
//   frames show ENDPOINT COUNT     takes so many frames, from one camera after the other, then closes
//   frames film ENDPOINT FILE      films, with the file in hand, until who shows has closed
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <sluice/sluice.hpp>
#include <string>

using namespace std::chrono_literals;
constexpr std::size_t kFrame = 1 << 20;

int show(const std::string& endpoint, int count) {
  auto listener = sluice::listen(endpoint).value();
  while (true) {  // one camera after the other
    auto channel = listener.accept().value();
    while (count > 0) {
      auto frame = channel.receive();  // a view: its place is the camera's again when it goes
      if (!frame) break;
      if (frame->bytes().size() != kFrame || frame->bytes().front() != frame->bytes().back()) return 1;
      for (const auto& file : frame->handles()) {  // ours now, and closed with the frame
        std::array<char, 64> text{};
        if (pread(static_cast<int>(file.native()), text.data(), text.size() - 1, 0) < 0) return 1;
        std::cout << "palette: " << text.data() << std::flush;
      }
      --count;
    }
    if (count == 0) return channel.close(10s) ? 0 : 1;
    const auto how = sluice::name(channel.ended()->code);  // closed, or peer_died
    std::cout << "the camera is gone: " << how << '\n' << std::flush;
  }
}

// Films until the other side is gone, and says how it ended.
sluice::Error film(const std::string& endpoint, const sluice::Handle& palette) {
  sluice::Options patient;
  patient.wait_for_listener = true;
  auto channel = sluice::connect(endpoint, 30s, patient);
  if (!channel) return channel.error();
  for (unsigned number = 0;; ++number) {
    auto frame = channel->loan(kFrame, 10s);  // room in the channel's own memory
    if (!frame) return frame.error();
    std::ranges::fill(frame->bytes(), static_cast<std::byte>(number));
    if (number == 0) frame->attach({&palette, 1}).value();  // borrowed: ours stays open
    if (const auto sent = frame->commit(); !sent) return sent.error();
  }
}

int main(int argc, char** argv) {
  if (argc == 4 && argv[1] == std::string("show")) return show(argv[2], std::stoi(argv[3]));
  if (argc != 4) return 2;
  const sluice::Handle palette{open(argv[3], O_RDONLY | O_CLOEXEC)};
  auto end = film(argv[2], palette);
  while (end.code == sluice::Errc::peer_died) end = film(argv[2], palette);  // who showed was killed: the next one
  if (end.code != sluice::Errc::closed) std::cerr << sluice::describe(end, argv[2]) << '\n';
  return end.code == sluice::Errc::closed ? 0 : 1;
}
