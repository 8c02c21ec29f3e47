// The names of the codes, the sentence of describe(), and the category for std::error_code. The words are in
// error_sentences.hpp.
#include <sluice/error.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "core/error_sentences.hpp"

namespace sluice::inline v0 {
namespace {

using core::Activity;
using core::Sentence;
using core::When;

// A code, its name, and the portable condition that means the same, so that `code == std::errc::timed_out` holds.
struct Code {
  Errc code;
  std::string_view name;
  std::optional<std::errc> condition;
};

constexpr auto kCodes = std::to_array<Code>({
    {Errc::closed, "closed", {}},
    {Errc::peer_died, "peer_died", {}},
    {Errc::timed_out, "timed_out", std::errc::timed_out},
    {Errc::would_block, "would_block", std::errc::operation_would_block},
    {Errc::too_large, "too_large", std::errc::message_size},
    {Errc::held, "held", {}},
    {Errc::not_supported, "not_supported", std::errc::not_supported},
    {Errc::access_denied, "access_denied", std::errc::permission_denied},
    {Errc::address_in_use, "address_in_use", std::errc::address_in_use},
    {Errc::not_found, "not_found", {}},
    {Errc::limit_reached, "limit_reached", {}},
    {Errc::protocol_error, "protocol_error", std::errc::protocol_error},
    {Errc::invalid_endpoint, "invalid_endpoint", std::errc::invalid_argument},
    {Errc::misuse, "misuse", {}},
    {Errc::out_of_memory, "out_of_memory", std::errc::not_enough_memory},
    {Errc::interrupted, "interrupted", std::errc::interrupted},
});

const Code* find_code(int value) noexcept {
  const auto* const found = std::ranges::find_if(kCodes, [&](const Code& row) { return static_cast<int>(row.code) == value; });
  return found == kCodes.end() ? nullptr : found;
}

// Error::first of a protocol_error of the hello that is about features, see hello.cpp.
constexpr std::int64_t kFeaturesMissing = -1;

// The option of the endpoint's text with that number, as it stands there.
std::optional<std::string_view> option_in(std::string_view endpoint, std::int64_t which) noexcept {
  std::size_t at = endpoint.find('?');
  for (std::int64_t number = 0; which >= 0 && at != std::string_view::npos; ++number) {
    const std::string_view rest = endpoint.substr(at + 1);
    if (number == which) return rest.substr(0, rest.find('&'));
    at = endpoint.find('&', at + 1);
  }
  return std::nullopt;
}

bool fits(const Sentence& sentence, const Error& error) noexcept {
  if (sentence.code != error.code || (sentence.step && *sentence.step != error.step)) return false;
  switch (sentence.when) {
    case When::always:
      return true;
    case When::numbers:
      return error.first != 0 || error.second != 0;
    case When::versions:
      return error.first >= 0 && error.first != error.second;
    case When::features:
      return error.first == kFeaturesMissing;
    case When::negative:
      return error.first < 0;
    case When::in_text:
      return error.first >= 0;
    case When::system:
      return error.os_code != 0;
  }
  return false;
}

const Sentence* find_sentence(const Error& error) noexcept {
  const auto* const found = std::ranges::find_if(core::kSentences, [&](const Sentence& row) { return fits(row, error); });
  return found == core::kSentences.end() ? nullptr : found;
}

template <class Number>
std::string digits(Number number, int base = 10) {
  std::array<char, 24> room{};
  const auto end = std::to_chars(room.data(), room.data() + room.size(), number, base).ptr;
  return {room.data(), end};
}

// Versions as the hello packs them: lowest << 16 | highest.
std::string versions(std::int64_t packed) {
  const std::int64_t lowest = packed >> 16 & 0xFFFF;
  const std::int64_t highest = packed & 0xFFFF;
  if (lowest == highest) return "version " + digits(lowest);
  return "versions " + digits(lowest) + " to " + digits(highest);
}

std::string value_of(std::string_view placeholder, const Error& error, std::string_view endpoint) {
  if (placeholder == "first") return digits(error.first);
  if (placeholder == "second") {
    return error.first == kFeaturesMissing ? "0x" + digits(static_cast<std::uint64_t>(error.second), 16) : digits(error.second);
  }
  if (placeholder == "first versions") return versions(error.first);
  if (placeholder == "second versions") return versions(error.second);
  const auto option = option_in(endpoint, error.first);
  return option ? "'" + std::string(*option) + "'"
                : "number " + digits(static_cast<std::uint64_t>(error.first) + 1) + " of the text";
}

// Fills in what stands in { } and keeps or drops what stands in [ ].
std::string fill_in(std::string_view text, const Error& error, std::string_view endpoint) {
  const bool has_numbers = error.first != 0 || error.second != 0;
  std::string filled;
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find_first_of("{[]"), text.size());
    filled += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const char mark = text.front();
    if (mark == '{') {
      const std::size_t end = text.find('}');
      filled += value_of(text.substr(1, end - 1), error, endpoint);
      text.remove_prefix(end + 1);
    } else {
      text.remove_prefix(mark == '[' && !has_numbers ? text.find(']') + 1 : 1);
    }
  }
  return filled;
}

// "listening on unix:/x: ", "listening: ", "unix:/x: " or nothing.
std::string beginning(Step step, std::string_view endpoint) {
  std::string text;
  const auto* const activity = std::ranges::find(core::kActivities, step, &Activity::step);
  if (activity != core::kActivities.end()) {
    text = activity->doing;
    if (!endpoint.empty()) text += ' ';
    if (!endpoint.empty() && !activity->preposition.empty()) text.append(activity->preposition).append(" ");
  }
  text += endpoint;
  if (!text.empty()) text += ": ";
  return text;
}

constexpr const char* kCategory = "sluice";

// Another copy of the library in this process has a category of its own: what counts is the name, never the address.
bool is_ours(const std::error_category& category) noexcept { return std::string_view(category.name()) == kCategory; }

class Category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return kCategory; }
  [[nodiscard]] std::string message(int value) const override {
    const Code* const code = find_code(value);
    if (code == nullptr) return "unknown code " + digits(value);
    const Error error{code->code, Step::none, 0, 0, 0};
    return fill_in(find_sentence(error)->cause, error, {});
  }
  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    const Code* const code = find_code(value);
    return code != nullptr && code->condition ? std::make_error_condition(*code->condition)
                                              : std::error_condition(value, *this);
  }
  [[nodiscard]] bool equivalent(int value, const std::error_condition& condition) const noexcept override {
    return is_ours(condition.category()) ? value == condition.value() : default_error_condition(value) == condition;
  }
  [[nodiscard]] bool equivalent(const std::error_code& code, int value) const noexcept override {
    return is_ours(code.category()) && code.value() == value;
  }
};

const std::error_category& category() noexcept {
  static const Category category;
  return category;
}

}  // namespace

std::string_view name(Errc code) noexcept {
  const Code* const found = find_code(static_cast<int>(code));
  return found == nullptr ? "unknown" : found->name;
}

std::string describe(const Error& error, std::string_view endpoint) {
  const Sentence* const sentence = find_sentence(error);
  std::string text = beginning(error.step, endpoint);
  text +=
      sentence == nullptr ? "unknown code " + digits(static_cast<int>(error.code)) : fill_in(sentence->cause, error, endpoint);
  if (error.os_code != 0) text += " (" + std::system_category().message(error.os_code) + ")";
  if (sentence != nullptr) text += "; " + fill_in(sentence->mend, error, endpoint);
  return text;
}

std::error_code to_error_code(const Error& error) noexcept { return {static_cast<int>(error.code), category()}; }

std::error_condition make_error_condition(Errc code) noexcept { return {static_cast<int>(code), category()}; }

}  // namespace sluice::inline v0
