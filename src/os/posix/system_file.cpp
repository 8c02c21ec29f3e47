#include "os/system_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "links/descriptor.hpp"

namespace sluice::inline v0::os {

std::optional<std::uint64_t> read_number(const char* path) noexcept {
  constexpr std::size_t kLongest = 32;  // a number of 64 bits has 20 digits
  const links::Descriptor file{::open(path, O_RDONLY | O_CLOEXEC)};
  if (!file) return std::nullopt;
  std::array<char, kLongest> text{};
  const ssize_t size = ::read(static_cast<int>(file.native()), text.data(), text.size());
  std::uint64_t number = 0;
  if (size <= 0 || std::from_chars(text.data(), text.data() + size, number).ec != std::errc{}) return std::nullopt;
  return number;
}

}  // namespace sluice::inline v0::os
