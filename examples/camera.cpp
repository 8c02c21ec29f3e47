// A camera: frames of 8 MiB, written in place by one process and looked at in place by another, which keeps the last three. On
// shared memory no byte of a frame is copied.
//   camera watch ENDPOINT           until the camera closes
//   camera film ENDPOINT FRAMES
#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <iostream>
#include <sluice/sluice.hpp>
#include <string>

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFrame = std::size_t{8} << 20;
constexpr std::size_t kKept = 3;

sluice::Options roomy() {
  sluice::Options options;
  // The three that are kept and two more, with their headers (Options::capacity); a ring's size is a power of two.
  options.capacity = std::size_t{64} << 20;
  options.wait_for_listener = true;
  return options;
}

// What is in a frame: its number, in every word.
void render(std::span<std::byte> frame, std::uint64_t number) {
  for (std::size_t at = 0; at + sizeof number <= frame.size(); at += sizeof number)
    std::memcpy(frame.data() + at, &number, sizeof number);
}
bool shows(std::span<const std::byte> frame, std::uint64_t number) {
  std::uint64_t word{};
  for (std::size_t at = 0; at + sizeof word <= frame.size(); at += sizeof word) {
    std::memcpy(&word, frame.data() + at, sizeof word);
    if (word != number) return false;
  }
  return frame.size() == kFrame;
}

int film(const std::string& endpoint, std::uint64_t frames) {
  auto channel = sluice::connect(endpoint, 10s, roomy()).value();
  for (std::uint64_t number = 0; number < frames; ++number) {
    auto frame = channel.loan(kFrame, 10s);
    if (!frame) {
      std::cerr << sluice::describe(frame.error(), endpoint) << '\n';
      return 1;
    }
    render(frame->bytes(), number);
    frame->commit().value();
  }
  channel.close(10s).value();
  return 0;
}

int watch(const std::string& endpoint) {
  auto listener = sluice::listen(endpoint, roomy()).value();
  auto channel = listener.accept(30s).value();
  std::deque<sluice::Message> kept;
  std::uint64_t number = 0;
  while (auto frame = channel.receive(30s)) {
    kept.push_back(*std::move(frame));
    if (kept.size() > kKept) kept.pop_front();  // its place is the camera's again
    // Those that are kept don't change meanwhile.
    std::uint64_t expected = number + 1 - kept.size();
    if (!std::ranges::all_of(kept, [&](const auto& held) { return shows(held.bytes(), expected++); })) {
      std::cerr << "frame " << number << " is wrong\n";
      return 1;
    }
    ++number;
  }
  std::cout << number << " frames, " << kept.size() << " kept, "
            << (!kept.empty() && kept.back().shared() ? "in place" : "copied") << '\n';
  return channel.ended()->code == sluice::Errc::closed ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string role = argc > 2 ? argv[1] : "";
  if (role == "watch" && argc == 3) return watch(argv[2]);
  if (role == "film" && argc == 4) return film(argv[2], std::stoull(argv[3]));
  std::cerr << "camera watch ENDPOINT | camera film ENDPOINT FRAMES\n";
  return 2;
}
