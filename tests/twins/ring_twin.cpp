// What the broken twins do (CMakeLists.txt beside this file), with one ring in this process's own memory: two threads that
// pass messages, three that exchange them, a hostile header, messages of an odd size. Exit status 0: the ring did what it
// promises.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <thread>

#include "core/records.hpp"
#include "core/ring_layout.hpp"
#include "core/ring_reader.hpp"
#include "core/ring_writer.hpp"
#include "links/region_link.hpp"

namespace {

using namespace sluice;

constexpr std::size_t kMaxMessage = std::size_t{1} << 20;
constexpr std::size_t kMessages = 2000;
constexpr std::size_t kMessageSize = 64;
constexpr unsigned kLastRing = 1;  // what lies behind it is no longer ours

// The smallest region, on the heap: what lies behind it isn't ours.
class HeapRegion final : public links::RegionLink {
 public:
  HeapRegion() { std::memset(memory_.get(), 0, kSize); }
  [[nodiscard]] std::span<std::byte> memory() const override { return {memory_.get(), kSize}; }
  [[nodiscard]] bool is_maker() const override { return true; }
  Result<void> reserve(std::size_t, std::size_t) override { return {}; }
  [[nodiscard]] bool silence() noexcept override { return true; }
  [[nodiscard]] links::Waitable bell() const override { return {}; }

 private:
  void ring_bell() noexcept override {}

  static constexpr std::size_t kSize = core::region_size(core::kMinCapacity);
  static constexpr std::align_val_t kAlignment{core::kLineDistance};
  struct Free {
    void operator()(std::byte* memory) const noexcept { ::operator delete[](memory, kAlignment); }
  };
  std::unique_ptr<std::byte[], Free> memory_{static_cast<std::byte*>(::operator new[](kSize, kAlignment))};
};

// Sends one message; waits for room by looking again. `back`: what was released of the other ring.
bool send(core::RingWriter& writer, std::span<const std::byte> bytes, std::uint32_t back = 0) {
  core::OutgoingMessage message{{&bytes, 1}};
  while (true) {
    const auto put = writer.put(message, back);
    if (put) return *put;
    if (put.error().code != Errc::would_block) return false;
    std::this_thread::yield();
  }
}

// Receives one message and checks that each of its bytes is `fill`. `writer`: of the other ring, which hears what is released.
bool receive(core::RingReader& reader, std::size_t size, std::byte fill, core::RingWriter* writer = nullptr) {
  while (true) {
    const auto incoming = reader.take();
    if (incoming) {
      if (writer != nullptr) writer->note_released(incoming->back);
      const auto bytes = incoming->message.bytes();
      bool same = bytes.size() == size;
      for (const std::byte byte : bytes) same = same && byte == fill;
      return same;
    }
    if (incoming.error().code != Errc::would_block) return false;
    std::this_thread::yield();
  }
}

// Whether a message lay in a home slot of ring 0.
bool was_home(const HeapRegion& region) {
  const auto ring = core::ring_of(region.memory(), 0);
  return std::ranges::any_of(ring.homes,
                             [](std::byte* slot) { return core::header_at(slot).load(std::memory_order_relaxed) != 0; });
}

// Two threads: what the reader sees of a payload must be ordered by the header alone.
bool race() {
  const auto region = std::make_shared<HeapRegion>();
  core::RingWriter writer(region, kLastRing);
  core::RingReader reader(region, kLastRing, kMaxMessage);
  bool sent = true;
  std::thread sender([&] {
    std::array<std::byte, kMessageSize> message{};
    for (std::size_t i = 0; i < kMessages && sent; ++i) {
      message.fill(static_cast<std::byte>(i));
      sent = send(writer, message);
    }
  });
  bool received = true;
  for (std::size_t i = 0; i < kMessages && received; ++i) received = receive(reader, kMessageSize, static_cast<std::byte>(i));
  sender.join();
  return sent && received;
}

// Each message is answered before the next one, so they go through the home slots. One end sends on one thread and receives on
// another: that a slot may be written again the sender knows by the release position alone, which the receiver has noted.
bool home() {
  const auto region = std::make_shared<HeapRegion>();
  core::RingWriter writer(region, 0);
  core::RingReader reader(region, 1, kMaxMessage);
  core::RingWriter answering(region, 1);
  core::RingReader answered(region, 0, kMaxMessage);
  std::atomic<std::size_t> answers{0};  // relaxed: it paces, and orders nothing
  bool sent = true;
  bool echoed = true;
  std::thread sender([&] {
    std::array<std::byte, kMessageSize> message{};
    for (std::size_t i = 0; i < kMessages && sent; ++i) {
      while (answers.load(std::memory_order_relaxed) < i) std::this_thread::yield();
      message.fill(static_cast<std::byte>(i));
      sent = send(writer, message);
    }
  });
  std::thread echo([&] {
    for (std::size_t i = 0; i < kMessages && echoed; ++i) {
      echoed = receive(answered, kMessageSize, static_cast<std::byte>(i)) &&
               send(answering, std::array{static_cast<std::byte>(i)}, answered.released_units());
    }
  });
  bool received = true;
  for (std::size_t i = 0; i < kMessages && received; ++i) {
    received = receive(reader, 1, static_cast<std::byte>(i), &writer);
    answers.store(i + 1, std::memory_order_relaxed);
  }
  sender.join();
  echo.join();
  return sent && echoed && received && was_home(*region);
}

// A record of a whole ring, not at its beginning: it would end behind the region.
bool hostile() {
  const auto region = std::make_shared<HeapRegion>();
  core::RingReader reader(region, kLastRing, kMaxMessage);
  const auto ring = core::ring_of(region->memory(), kLastRing);
  const auto claim = [&](std::size_t offset, std::size_t length) {
    const core::RecordHeader header{.length = static_cast<std::uint32_t>(length), .kind = core::Kind::data};
    core::header_at(ring.bytes + offset).store(core::pack(header), std::memory_order_release);
  };
  claim(0, 0);
  if (!reader.take()) return false;  // and let go at once: its room is free again
  claim(core::kHeaderSize, core::kMinCapacity - core::kHeaderSize);
  const auto incoming = reader.take();
  if (!incoming) return incoming.error().code == Errc::protocol_error;
  unsigned sum = 0;
  for (const std::byte byte : incoming->message.bytes()) sum += std::to_integer<unsigned>(byte);
  std::printf("a record beyond the region was taken: %u\n", sum);
  return false;
}

// Payloads that are no multiple of 8 bytes.
bool odd() {
  const auto region = std::make_shared<HeapRegion>();
  core::RingWriter writer(region, kLastRing);
  core::RingReader reader(region, kLastRing, kMaxMessage);
  constexpr std::array kPayload{std::byte{7}, std::byte{7}, std::byte{7}};
  return send(writer, kPayload) && send(writer, kPayload) && receive(reader, kPayload.size(), kPayload[0]) &&
         receive(reader, kPayload.size(), kPayload[0]);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc == 2 ? argv[1] : "";
  if (what == "race") return race() ? 0 : 1;
  if (what == "home") return home() ? 0 : 1;
  if (what == "hostile") return hostile() ? 0 : 1;
  if (what == "odd") return odd() ? 0 : 1;
  std::fprintf(stderr, "usage: %s race|home|hostile|odd\n", argv[0]);
  return 2;
}
