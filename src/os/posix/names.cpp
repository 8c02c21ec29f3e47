#include "os/names.hpp"

#include <array>

namespace sluice::inline v0::os {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
// With the longest ending (".sock") a name must fit into a socket's address behind "/proc/self/fd/N/": unix(7) has 108 bytes.
constexpr std::size_t kLongest = 72;

bool is_harmless(char character) noexcept {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') || character == '.' || character == '_' || character == '-';
}

// FNV-1a, 64 bits.
std::uint64_t hash(std::string_view text) noexcept {
  constexpr std::uint64_t kBasis = 0xcbf29ce484222325;
  constexpr std::uint64_t kPrime = 0x100000001b3;
  std::uint64_t value = kBasis;
  for (const char character : text) value = (value ^ static_cast<unsigned char>(character)) * kPrime;
  return value;
}

}  // namespace

std::string encode(std::string_view place) {
  std::string text;
  text.reserve(place.size());
  for (const char character : place) {
    if (is_harmless(character)) {
      text += character;
      continue;
    }
    const auto byte = static_cast<unsigned char>(character);
    text += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
  }
  return text;
}

std::string hexadecimal(std::uint64_t number) {
  constexpr unsigned kBitsPerDigit = 4;
  std::string text(sizeof number * 2, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, number >>= kBitsPerDigit) *digit = kDigits[number & 15U];
  return text;
}

std::string short_name(std::string_view kind, std::string_view place) {
  std::string name{kind};
  name += '-';
  name += encode(place);
  if (name.size() <= kLongest) return name;
  return std::string{kind} + '~' + hexadecimal(hash(place));
}

}  // namespace sluice::inline v0::os
