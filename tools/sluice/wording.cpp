#include "wording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "json.hpp"

namespace tool {

namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The message that an object says.
std::expected<std::string, std::string> message_in(std::string_view text) {
  const Json object = Json::parse(text, nullptr, false);
  if (!object.is_object()) return std::unexpected("is no JSON object");
  const auto string_at = [&](const char* key) -> const std::string* {
    const auto found = object.find(key);
    return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
  };
  const std::string* const plain = string_at("text");
  const std::string* const encoded = string_at("base64");
  if ((plain == nullptr) == (encoded == nullptr)) return std::unexpected(R"(needs either "text" or "base64", a string)");
  if (plain != nullptr) return *plain;
  auto bytes = from_base64(*encoded);
  if (!bytes) return std::unexpected(R"(has a "base64" that is none)");
  return *std::move(bytes);
}

std::string json_of(std::span<const std::byte> message, const sluice::Peer& from) {
  const auto number = [](const std::optional<std::int64_t>& value) { return value ? Json(*value) : Json(nullptr); };
  Json object{{"size", message.size()}};
  const std::string text(sluice::as_text(message));
  object["text"] = text;
  object["from"] = {{"pid", number(from.process_id)}, {"uid", number(from.user_id)}};
  try {
    return object.dump();  // strict: throws where a string is no UTF-8
  } catch (const Json::type_error&) {
    return Json{{"size", message.size()}, {"base64", base64(message)}, {"from", object["from"]}}.dump();
  }
}

}  // namespace

// The next piece of text up to its delimiter, or up to the end.
std::optional<std::string_view> Splitter::next_piece() {
  const std::string_view text(text_);
  if (form_ == Form::blob) {
    if (!ended_ || blob_given_) return std::nullopt;
    blob_given_ = true;
    return text;
  }
  const std::size_t at = text.find(form_ == Form::nul ? '\0' : '\n', looked_);
  if (at != std::string_view::npos) {
    const auto piece = text.substr(begin_, at - begin_);
    begin_ = looked_ = at + 1;
    return piece;
  }
  looked_ = text.size();
  if (ended_ && begin_ != text.size()) {
    const auto piece = text.substr(begin_);
    begin_ = text.size();
    return piece;
  }
  return std::nullopt;
}

std::expected<std::optional<std::string>, std::string> Splitter::next(std::uint64_t most) {
  const auto too_long = [&] {
    const std::string what = form_ == Form::blob ? "standard input" : fmt::format("message {} of the input", pieces_ + 1);
    return std::unexpected(
        fmt::format("{} is longer than the {} bytes that the channel takes; raise max_message at both ends", what, most));
  };
  // What is printed in base64 is a third longer than what it says.
  const std::uint64_t most_text = form_ == Form::json ? most / 2 * 3 + 1024 : most;
  const auto piece = next_piece();
  if (!piece) {
    if (text_.size() - begin_ > most_text && !blob_given_) return too_long();
    text_.erase(0, begin_);
    looked_ -= begin_;
    begin_ = 0;
    return std::nullopt;
  }
  std::expected<std::string, std::string> message = std::string(*piece);
  if (form_ == Form::json) {
    message = message_in(*piece);
    if (!message) return std::unexpected(fmt::format("line {} of the input {}", pieces_ + 1, message.error()));
  }
  if (message->size() > most) return too_long();
  ++pieces_;
  return *std::move(message);
}

std::string printed(Form form, std::span<const std::byte> message, const sluice::Peer& from) {
  if (form == Form::json) return json_of(message, from) + '\n';
  std::string text(sluice::as_text(message));
  if (form == Form::lines) text += '\n';
  if (form == Form::nul) text += '\0';
  return text;
}

std::string base64(std::span<const std::byte> bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t three = 0;
    for (std::size_t i = 0; i < 3; ++i) three = three << 8U | (i < count ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) text += i <= count ? kAlphabet[three >> (18 - 6 * i) & 63U] : '=';
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); at += 4) {
    const std::string_view four = text.substr(at, 4);
    const std::size_t padding = at + 4 < text.size() ? 0 : four.size() - std::min(four.find('='), four.size());
    if (padding > 2) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t digit = i < 4 - padding ? kAlphabet.find(four[i]) : 0;
      if (digit == std::string_view::npos || (i >= 4 - padding && four[i] != '=')) return std::nullopt;
      value = value << 6U | static_cast<std::uint32_t>(digit);
    }
    for (std::size_t i = 0; i < 3 - padding; ++i) bytes += static_cast<char>(value >> (16 - 8 * i) & 0xFFU);
  }
  return bytes;
}

}  // namespace tool
