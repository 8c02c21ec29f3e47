// The handles that travel with the messages of a stream: how many, of which kind and what is behind them follows from the seed
// and the message's number, so that the receiver knows what must come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <sluice/handle.hpp>

namespace sluice_test {

// How many go with each message: a number, or `mixed`: none with every third, else 1 … 4, and now and then 16.
struct HandleCounts {
  bool mixed{true};
  std::size_t fixed{0};

  [[nodiscard]] static HandleCounts of(const std::string& word);
  [[nodiscard]] std::size_t at(std::uint64_t number) const noexcept;
};

// The handles of message `number`: files, memory, pipes and sockets in turn, behind each a text of its own.
[[nodiscard]] std::vector<sluice::Handle> make_handles(const HandleCounts& counts, std::uint64_t seed, std::uint64_t number);

// What is wrong with those that came; empty if nothing is. Reads each to its end.
[[nodiscard]] std::string wrong_handles(const HandleCounts& counts, std::uint64_t seed, std::uint64_t number,
                                        std::span<const sluice::Handle> handles);

}  // namespace sluice_test
