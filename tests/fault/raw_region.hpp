// A region as the connecting side has it, written by hand: of the offer's handles the first is the memory, the second the
// connecting side's end of the doorbell; its numbers are the sizes of region and ring.
#pragma once

#include <sys/mman.h>
#include <sys/socket.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "raw_peer.hpp"

namespace sluice_test {

class RawRegion {
 public:
  static constexpr std::size_t kHead = 65'536;
  static constexpr std::size_t kConsumerLine = 512;        // of ring 0, read by the victim (the listener's side)
  static constexpr std::size_t kRecord = 24;               // of control, with its header
  static constexpr std::size_t kHome = 4096;               // slot 0 of ring 0
  static constexpr std::size_t kHomes = 4096;              // bytes of all home slots
  static constexpr std::size_t kSecondConsumerLine = 896;  // of ring 1, which the victim writes

  explicit RawRegion(const RawOffer& offer)
      : size_(offer.numbers.at(0)), capacity_(offer.numbers.at(1)), bell_(offer.files[1]) {
    memory_ = static_cast<std::byte*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, offer.files[0], 0));
  }
  RawRegion(const RawRegion&) = delete;
  RawRegion& operator=(const RawRegion&) = delete;
  ~RawRegion() { munmap(memory_, size_); }

  void store(std::size_t offset, std::uint64_t value) {
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(memory_ + offset)).store(value, std::memory_order_release);
  }
  void store32(std::size_t offset, std::uint32_t value) {
    std::atomic_ref(*reinterpret_cast<std::uint32_t*>(memory_ + offset)).store(value, std::memory_order_release);
  }
  [[nodiscard]] std::uint32_t load32(std::size_t offset) const {
    return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(memory_ + offset)).load(std::memory_order_acquire);
  }
  // A header in the ring that the victim reads.
  void header(std::size_t offset, std::uint64_t value) { store(kHead + offset, value); }
  void ring() {
    const char one = 1;
    (void)send(bell_, &one, sizeof(one), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  // Writes control records round the ring that the victim reads, as far as it has released room, at most kAtOnce: how many.
  // Nothing but their number is wrong.
  std::size_t flood() {
    constexpr std::size_t kAtOnce = 4096;
    constexpr std::size_t kUnit = 8;
    const auto ahead = load32(kConsumerLine) - static_cast<std::uint32_t>(released_ / kUnit);
    released_ += std::uint64_t{ahead} * kUnit;
    std::size_t written = 0;
    // The record, the rest of a lap that it doesn't fit into, and the header behind it have to find room.
    while (written < kAtOnce && position_ + 3 * kRecord - released_ <= capacity_) {
      const std::size_t offset = position_ % capacity_;
      if (offset + kRecord + kUnit > capacity_) {
        header(0, 0);
        header(offset, raw_header(RawKind::filler, 0));
        position_ += capacity_ - offset;
        continue;
      }
      const auto ask = raw_control(word::kAsk).bytes();
      std::memcpy(memory_ + kHead + offset + kUnit, ask.data() + kUnit, ask.size() - kUnit);
      header(offset + kRecord, 0);
      header(offset, load_u64(ask, 0));
      position_ += kRecord;
      ++written;
    }
    return written;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

 private:
  std::size_t size_;
  std::size_t capacity_;
  int bell_;
  std::byte* memory_;
  std::uint64_t position_{0};  // of flood()
  std::uint64_t released_{0};
};

}  // namespace sluice_test
