// What the messages of a benchmark hold, the check of it, and that it is two processes which exchange them. Pure: knows no
// channel.
//
// A message begins with its sequence number (8 bytes), and goes on with words that follow from it. Always written and compared
// are its ends, the first and the last 16 bytes, and a window of 64 bytes between them, which moves on with the number; all of
// it in every message whose number is a multiple of `whole_every`: so the cost of touching memory doesn't hide that of carrying
// it, and no byte stays without a look for long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace tool::bench {

inline constexpr std::size_t kSmallest = 8;     // the sequence number
inline constexpr std::size_t kWholeUpTo = 256;  // bytes of a message: such a one is written and compared whole every time
inline constexpr std::uint64_t kWholeEvery = 64;

// Of how many messages of this size one is written and compared whole: of each, where they are small or all are asked for.
[[nodiscard]] constexpr std::uint64_t whole_every(std::size_t size, bool all) noexcept {
  return all || size <= kWholeUpTo ? 1 : kWholeEvery;
}

// Writes the message of that number, of kSmallest bytes at least; `whole`: all of it, else its ends and the window.
void write_content(std::span<std::byte> message, std::uint64_t sequence, bool whole) noexcept;
// True if the message is that of this number; `whole` as it was written.
[[nodiscard]] bool has_content(std::span<const std::byte> message, std::uint64_t sequence, bool whole) noexcept;

// Whether the message of this number is written and compared to its last byte. `whole_every`: a power of two, for a division
// would take as long as some of the calls that are measured.
[[nodiscard]] constexpr bool is_whole(std::uint64_t sequence, std::uint64_t whole_every) noexcept {
  return (sequence & (whole_every - 1)) == 0;
}

// Holds what arrives to sequence and content, and counts what is wrong.
class Checker {
 public:
  Checker(std::size_t size, std::uint64_t whole_every) noexcept : size_(size), whole_every_(whole_every) {}

  // Takes the next message. After a gap or a repetition it goes on from the number that came, so that one fault counts once.
  void take(std::span<const std::byte> message) noexcept;

  [[nodiscard]] bool is_whole(std::uint64_t sequence) const noexcept { return bench::is_whole(sequence, whole_every_); }
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }
  [[nodiscard]] std::uint64_t whole() const noexcept { return whole_; }  // … of them compared to their last byte
  [[nodiscard]] std::uint64_t errors() const noexcept { return errors_; }

 private:
  std::size_t size_;
  std::uint64_t whole_every_;
  std::uint64_t expected_{0};
  std::uint64_t taken_{0};
  std::uint64_t whole_{0};
  std::uint64_t errors_{0};
};

// Why these are not two processes, if so: the other end has told our own id, or the system names another one than it has told.
[[nodiscard]] std::optional<std::string> not_two_processes(std::int64_t own, std::int64_t told,
                                                           std::optional<std::int64_t> vouched);

}  // namespace tool::bench
