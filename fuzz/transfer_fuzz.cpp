// Any bytes as a message of the tool's file transfer: refused in words or read, and what was read means the same after
// encoding. A name from a peer is judged, and what is printed of it has no control character.
#include "transfer.hpp"

#include <algorithm>

#include "fuzz/require.hpp"

using namespace tool::transfer;
using sluice_fuzz::require;

namespace {

void require_same(const Data& data, std::span<const std::byte> bytes) {
  require(!data.content.empty() && data.content.size() + kHeadSize == bytes.size(), "data is what stands behind the head");
  require(std::ranges::equal(data_head(data.file), bytes.first(kHeadSize)), "the head of data means the same");
}

template <class Value>
void require_same(const Value& value, std::span<const std::byte>) {
  const auto bytes = encode(value);
  const auto again = decode(bytes);
  require(again && std::get<Value>(*again) == value, "the encoded message means the same");
}

void require_printable(std::string_view text) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  require(std::ranges::none_of(printable(text), is_control), "what is printed has no control character");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span{data, size});
  const auto message = decode(bytes);
  if (!message) {
    require(!message.error().empty(), "a refusal has words");
    return 0;
  }
  std::visit([&](const auto& value) { require_same(value, bytes); }, *message);
  if (const auto* open = std::get_if<Open>(&*message)) {
    require_printable(open->name);
    if (!name_problem(open->name)) require(open->name.find('/') == std::string_view::npos, "a good name is one component");
  }
  if (const auto* refuse = std::get_if<Refuse>(&*message)) require_printable(refuse->text);
  return 0;
}
