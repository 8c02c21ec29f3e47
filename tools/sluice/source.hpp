// Source: a file, or standard input, that `sluice send` reads from front to back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace tool {

class Source {
 public:
  virtual ~Source() = default;

  // How much there is to read, where that is known; it may change while it is read.
  [[nodiscard]] virtual std::optional<std::uint64_t> expected_size() const noexcept = 0;
  // Reads what is there, waiting for the first byte: how many bytes, 0 at the end; or why not, in words.
  [[nodiscard]] virtual std::expected<std::size_t, std::string> read(std::span<std::byte> room) = 0;
};

// Opens a file; "-" is standard input.
[[nodiscard]] std::expected<std::unique_ptr<Source>, std::string> open_source(const std::string& path);

}  // namespace tool
