// Reading and writing of endpoints, and the options that are common to all mechanisms.
#include "core/endpoint.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "links/stream_link.hpp"

namespace sluice::inline v0::core {
namespace {

// Above it nothing is a size of memory: user space ends at 2^47 or 2^48 on every 64-bit system that Sluice knows.
constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 48;

constexpr std::string_view kMaxMessage = "max_message";
constexpr std::string_view kCapacity = "capacity";
constexpr std::string_view kMaxHandles = "max_handles";
constexpr std::string_view kAllow = "allow";
constexpr std::string_view kSenders = "senders";
constexpr std::string_view kSpin = "spin";
constexpr std::string_view kFraming = "framing";
constexpr std::string_view kHexDigits = "0123456789ABCDEF";

Error unreadable(std::size_t position) noexcept {
  return {Errc::invalid_endpoint, Step::parse_endpoint, 0, static_cast<std::int64_t>(position), 0};
}

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_letter_or_digit(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_option_letter(char c) noexcept { return is_letter_or_digit(c) || c == '_'; }
// char is unsigned on arm64
constexpr bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < ' ' || c == '\x7F'; }

constexpr std::optional<unsigned> hex_value(char c) noexcept {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  return std::nullopt;
}

// Decodes text[begin, end). A NUL is refused, plain or encoded: the systems would take the name to end there.
Result<std::string> decode(std::string_view text, std::size_t begin, std::size_t end) {
  std::string decoded;
  for (std::size_t at = begin; at < end; ++at) {
    char c = text[at];
    if (c == '%') {
      if (end - at < 3) return unreadable(at);
      const auto high = hex_value(text[at + 1]);
      const auto low = hex_value(text[at + 2]);
      if (!high || !low) return unreadable(at);
      c = static_cast<char>(static_cast<unsigned char>(*high << 4 | *low));
      if (c == '\0') return unreadable(at);
      at += 2;
    }
    if (c == '\0') return unreadable(at);
    decoded += c;
  }
  return decoded;
}

// Reads one option, text[begin, end).
Result<std::pair<std::string, std::string>> parse_option(std::string_view text, std::size_t begin, std::size_t end) {
  std::size_t at = begin;
  while (at < end && is_option_letter(text[at])) ++at;
  if (at == begin || at == end || text[at] != '=') return unreadable(at);
  auto value = decode(text, at + 1, end);
  if (!value) return value.error();
  return std::pair{std::string(text.substr(begin, at - begin)), *std::move(value)};
}

Error bad_option(Errc code, std::size_t which) noexcept {
  return {code, Step::check_options, 0, static_cast<std::int64_t>(which), 0};
}

// An option of the call that can't be: no option of the text is to blame.
constexpr std::int64_t kNotInText = -1;

bool has_word(std::string_view words, std::string_view word) noexcept {
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    if (words.substr(0, end) == word) return true;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return false;
}

Result<std::size_t> size_option(std::string_view value) noexcept {
  const auto size = parse_size(value);
  if (!size) return size.error();
  if (*size > std::numeric_limits<std::size_t>::max()) return Errc::invalid_endpoint;
  return static_cast<std::size_t>(*size);
}

Result<std::size_t> handles_option(std::string_view value) noexcept {
  const auto count = size_option(value);
  return count && *count <= links::kMostHandles ? count : Result<std::size_t>{Errc::invalid_endpoint};
}

Result<Allow> allow_option(std::string_view value) noexcept {
  if (value == "same_user") return Allow::same_user;
  if (value == "anyone") return Allow::anyone;
  return Errc::invalid_endpoint;
}

Result<Senders> senders_option(std::string_view value) noexcept {
  if (value == "one") return Senders::one;
  if (value == "many") return Senders::many;
  return Errc::invalid_endpoint;
}

// Microseconds: digits alone.
Result<std::chrono::microseconds> spin_option(std::string_view value) noexcept {
  if (value.empty() || !is_digit(value.back())) return Errc::invalid_endpoint;  // no K, M, G
  const auto count = parse_size(value);
  if (!count || *count > static_cast<std::uint64_t>(kMaxSpin.count())) return Errc::invalid_endpoint;
  return std::chrono::microseconds{static_cast<std::chrono::microseconds::rep>(*count)};
}

Result<Framing> framing_option(std::string_view value) noexcept {
  if (const auto framing = framing_named(value)) return *framing;
  return Errc::invalid_endpoint;
}

// Takes the text's value into `to` unless the call has set one.
template <class T, class To>
Result<void> take(Result<T> value, const std::optional<T>& of_call, std::size_t which, To& to) noexcept {
  if (of_call) return bad_option(Errc::misuse, which);
  if (!value) return bad_option(Errc::invalid_endpoint, which);
  to = *value;
  return {};
}

// Takes one option of the text if it is a common one: whether it was.
Result<bool> take_common(const std::pair<std::string, std::string>& option, std::size_t which, const Options& options,
                         Limits& limits) {
  Result<void> taken;
  const auto& [name, value] = option;
  if (name == kMaxMessage) {
    taken = take(size_option(value), options.max_message, which, limits.max_message);
  } else if (name == kCapacity) {
    taken = take(size_option(value), options.capacity, which, limits.capacity);
  } else if (name == kMaxHandles) {
    taken = take(handles_option(value), options.max_handles, which, limits.max_handles);
  } else if (name == kAllow) {
    taken = take(allow_option(value), options.allow, which, limits.allow);
  } else if (name == kSenders) {
    taken = take(senders_option(value), options.senders, which, limits.conduct.senders);
  } else if (name == kSpin) {
    taken = take(spin_option(value), options.spin, which, limits.conduct.spin);
  } else if (name == kFraming) {
    taken = take(framing_option(value), std::optional<Framing>{}, which, limits.framing);
  } else {
    return false;
  }
  if (!taken) return taken.error();
  return true;
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && is_letter_or_digit(text[at])) ++at;
  if (at == 0 || at == text.size() || text[at] != ':') return unreadable(at);
  Endpoint endpoint;
  endpoint.mechanism = text.substr(0, at);

  const std::size_t where_end = std::min(text.find('?', at), text.size());
  auto where = decode(text, at + 1, where_end);
  if (!where) return where.error();
  endpoint.where = *std::move(where);

  for (at = where_end; at < text.size();) {
    const std::size_t begin = at + 1;  // behind ? or &
    at = std::min(text.find('&', begin), text.size());
    auto option = parse_option(text, begin, at);
    if (!option) return option.error();
    endpoint.options.push_back(*std::move(option));
  }
  return endpoint;
}

std::string to_text(std::string_view mechanism, std::string_view where) {
  std::string text(mechanism);
  text += ':';
  for (const char c : where) {
    // Control characters as well: programs read the text from a line.
    if (c == '?' || c == '%' || is_control(c)) {
      const auto value = static_cast<unsigned char>(c);
      text += '%';
      text += kHexDigits[value >> 4U];
      text += kHexDigits[value & 0xFU];
    } else {
      text += c;
    }
  }
  return text;
}

Result<Limits> take_options(Endpoint& endpoint, const Options& options, std::string_view own) {
  Limits limits;
  limits.wait_for_listener = options.wait_for_listener;
  limits.max_message = options.max_message.value_or(limits.max_message);
  limits.capacity = options.capacity.value_or(limits.capacity);
  limits.max_handles = options.max_handles.value_or(limits.max_handles);
  limits.allow = options.allow.value_or(limits.allow);
  limits.conduct.untrusted = options.untrusted;
  limits.conduct.senders = options.senders.value_or(limits.conduct.senders);
  limits.conduct.spin = options.spin;
  const bool spins_too_long = options.spin && (*options.spin < options.spin->zero() || *options.spin > kMaxSpin);
  if (limits.max_message > kMaxSize || limits.capacity > kMaxSize || limits.max_handles > links::kMostHandles ||
      spins_too_long) {
    return Error{Errc::misuse, Step::check_options, 0, kNotInText, 0};
  }

  std::vector<std::pair<std::string, std::string>> left;
  const auto& given = endpoint.options;
  for (std::size_t which = 0; which < given.size(); ++which) {
    const auto is_same = [&](const auto& earlier) { return earlier.first == given[which].first; };
    if (std::any_of(given.begin(), given.begin() + static_cast<std::ptrdiff_t>(which), is_same)) {
      return bad_option(Errc::misuse, which);
    }
    const auto is_common = take_common(given[which], which, options, limits);
    if (!is_common) return is_common.error();
    if (*is_common) continue;
    if (!has_word(own, given[which].first)) return bad_option(Errc::invalid_endpoint, which);
    left.push_back(given[which]);
  }
  endpoint.options = std::move(left);
  return limits;
}

Result<std::uint64_t> parse_size(std::string_view text) noexcept {
  const Error unreadable_size{Errc::invalid_endpoint, Step::check_options, 0, 0, 0};
  unsigned shift = 0;
  if (!text.empty()) {
    switch (text.back()) {
      case 'K':
        shift = 10;
        break;
      case 'M':
        shift = 20;
        break;
      case 'G':
        shift = 30;
        break;
      default:
        break;
    }
  }
  if (shift != 0) text.remove_suffix(1);
  if (text.empty()) return unreadable_size;
  std::uint64_t number = 0;
  for (const char c : text) {
    if (!is_digit(c)) return unreadable_size;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
    if (number > kMaxSize) return unreadable_size;  // also keeps the next product below 2^64
  }
  if (number > kMaxSize >> shift) return unreadable_size;
  return number << shift;
}

}  // namespace sluice::inline v0::core
