// Links without an operating system: what they carry lies in memory, where a test writes what a peer would send and reads what
// this end has sent. For tests of the bytes on the wire, and for the fuzz targets.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "core/ring_layout.hpp"
#include "links/packet_link.hpp"
#include "links/region_link.hpp"
#include "links/stream_link.hpp"
#include "links/tether.hpp"

namespace sluice_test {

namespace links = sluice::links;

[[nodiscard]] inline sluice::Error would_block() noexcept { return {sluice::Errc::would_block, sluice::Step::none, 0, 0, 0}; }

// Handles that travel with the byte at that offset.
struct WireHandles {
  std::size_t at;
  std::vector<links::Descriptor::Native> natives;  // what a read gives away; kNone for those that can't be opened here

  friend bool operator==(const WireHandles&, const WireHandles&) = default;
};

// What a FakeStream reads and has written.
struct StreamWire {
  std::vector<std::byte> incoming;                             // what the peer sends
  std::size_t taken{0};                                        // how much of it was read
  bool ends{false};                                            // behind it: the end, else would_block
  std::vector<std::byte> outgoing;                             // what was written
  bool carries_handles{false};                                 // says so to the handshake
  std::vector<WireHandles> incoming_handles;                   // in the order of their bytes
  std::size_t handles_taken{0};                                // how many of these
  std::vector<WireHandles> outgoing_handles;                   // what was written with outgoing
  std::size_t chunk{std::numeric_limits<std::size_t>::max()};  // the most that one call reads or writes
  std::size_t room{std::numeric_limits<std::size_t>::max()};   // what may still be written
  bool finished{false};                                        // the writing was ended
  bool was_reset{false};                                       // the end is a reset
};

class FakeStream final : public links::StreamLink {
 public:
  explicit FakeStream(std::shared_ptr<StreamWire> wire) noexcept : wire_(std::move(wire)) {}

  using links::StreamLink::read;
  using links::StreamLink::write;
  sluice::Result<std::size_t> write(std::span<const std::span<const std::byte>> buffers,
                                    std::span<const links::Descriptor::Native> handles) override {
    const std::size_t at = wire_->outgoing.size();
    std::size_t left = std::min(wire_->chunk, wire_->room);
    std::size_t asked = 0;
    std::size_t written = 0;
    for (const auto buffer : buffers) {
      asked += buffer.size();
      const auto part = buffer.first(std::min(left, buffer.size()));
      wire_->outgoing.insert(wire_->outgoing.end(), part.begin(), part.end());
      left -= part.size();
      written += part.size();
    }
    if (written == 0 && asked != 0) return would_block();
    wire_->room -= written;
    if (!handles.empty()) wire_->outgoing_handles.push_back({at, {handles.begin(), handles.end()}});
    return written;
  }

  sluice::Result<std::size_t> read(std::span<const std::span<std::byte>> rooms,
                                   std::vector<links::Descriptor>* handles) override {
    std::size_t left = std::min(wire_->chunk, wire_->incoming.size() - wire_->taken);
    const auto coming = std::span{wire_->incoming_handles}.subspan(wire_->handles_taken);
    if (coming.size() > 1) left = std::min(left, coming[1].at - wire_->taken);
    if (left == 0 && !wire_->ends) return would_block();
    std::size_t count = 0;
    for (const auto room : rooms) {
      const std::size_t part = std::min(left, room.size());
      if (part != 0) std::memcpy(room.data(), wire_->incoming.data() + wire_->taken, part);
      wire_->taken += part;
      left -= part;
      count += part;
    }
    if (!coming.empty() && coming.front().at < wire_->taken) {
      ++wire_->handles_taken;
      for (const auto native : coming.front().natives) {
        links::Descriptor handle{native};
        if (handles != nullptr) handles->push_back(std::move(handle));
      }
    }
    return count;
  }

  sluice::Result<void> finish_writing() override {
    wire_->finished = true;
    return {};
  }
  [[nodiscard]] bool was_reset() const override { return wire_->was_reset; }
  [[nodiscard]] links::Waitable incoming() const override { return {}; }
  [[nodiscard]] links::Waitable outgoing() const override { return {}; }
  [[nodiscard]] bool carries_handles() const override { return wire_->carries_handles; }

 private:
  std::shared_ptr<StreamWire> wire_;
};

// What a FakePackets receives and has sent.
struct PacketWire {
  std::vector<std::vector<std::byte>> incoming;
  std::size_t taken{0};
  bool ends{false};
  std::vector<std::vector<std::byte>> outgoing;
  std::size_t max_packet{128};
};

class FakePackets final : public links::PacketLink {
 public:
  explicit FakePackets(std::shared_ptr<PacketWire> wire) noexcept : wire_(std::move(wire)) {}

  [[nodiscard]] std::size_t max_packet() const override { return wire_->max_packet; }
  sluice::Result<std::size_t> send(std::span<const links::OutgoingPacket> packets) override {
    for (const auto& packet : packets) {
      auto& whole = wire_->outgoing.emplace_back();
      for (const auto part : packet.parts) whole.insert(whole.end(), part.begin(), part.end());
    }
    return packets.size();
  }
  sluice::Result<std::size_t> receive(std::span<links::Packet> packets) override {
    std::size_t count = 0;
    for (; count < packets.size() && wire_->taken < wire_->incoming.size(); ++count) {
      packets[count] = {};
      if (!packets[count].bytes.append(wire_->incoming[wire_->taken++])) throw std::bad_alloc{};
    }
    if (count == 0 && !wire_->ends) return would_block();
    return count;
  }
  [[nodiscard]] links::Waitable incoming() const override { return {}; }
  [[nodiscard]] links::Waitable outgoing() const override { return {}; }

 private:
  std::shared_ptr<PacketWire> wire_;
};

// A region on the heap, so that a sanitizer sees what lies outside it. Both ends may share one memory.
class FakeRegion final : public links::RegionLink {
 public:
  using Memory = std::shared_ptr<std::span<std::byte>>;

  [[nodiscard]] static Memory make_memory(std::size_t capacity = sluice::core::kMinCapacity) {
    const std::size_t size = sluice::core::region_size(capacity);
    auto* const bytes = static_cast<std::byte*>(::operator new(size, kLine));
    std::memset(bytes, 0, size);
    return {new std::span<std::byte>(bytes, size), [](const std::span<std::byte>* memory) {
              ::operator delete(memory->data(), kLine);
              delete memory;
            }};
  }

  FakeRegion(Memory memory, bool is_maker) noexcept : memory_(std::move(memory)), is_maker_(is_maker) {}

  [[nodiscard]] std::span<std::byte> memory() const override { return *memory_; }
  [[nodiscard]] bool is_maker() const override { return is_maker_; }
  sluice::Result<void> reserve(std::size_t, std::size_t) override { return {}; }
  [[nodiscard]] bool silence() noexcept override { return true; }
  [[nodiscard]] links::Waitable bell() const override { return {}; }

  std::size_t rings{0};  // how often the peer's doorbell was rung

 private:
  void ring_bell() noexcept override { ++rings; }

  static constexpr std::align_val_t kLine{128};
  Memory memory_;
  bool is_maker_;
};

}  // namespace sluice_test
