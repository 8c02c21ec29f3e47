// Standard output as a store, by WriteFile, so that the sender's confirmation means: the next program's pipe has taken it.
#include <fmt/format.h>

#include "store.hpp"
#include "windows/handle.hpp"

namespace tool {

namespace {

class OutputStore final : public Store {
 public:
  std::expected<void, Refusal> begin(std::string_view) override { return {}; }

  std::expected<void, Refusal> write(std::span<const std::byte> bytes) override {
    if (const int code = windows::write_all(::GetStdHandle(STD_OUTPUT_HANDLE), bytes))
      return std::unexpected(
          Refusal{transfer::Reason::write, fmt::format("can't write it to standard output: {}", system_text(code))});
    return {};
  }

  std::expected<void, Refusal> keep() override { return {}; }
  void discard() noexcept override {}
};

}  // namespace

std::unique_ptr<Store> make_output_store() { return std::make_unique<OutputStore>(); }

}  // namespace tool
