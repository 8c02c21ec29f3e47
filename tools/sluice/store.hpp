// Store: where `sluice receive` puts files. A folder, where each appears under its name only when it is whole and right, or
// standard output, one after the other.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "report.hpp"
#include "transfer.hpp"

namespace tool {

// Why a file is not taken, as the sender is told.
struct Refusal {
  transfer::Reason reason{};
  std::string text;
};

// One file at a time: begin, write …, then keep or discard.
class Store {
 public:
  virtual ~Store() = default;

  // Begins a file. `name` has passed transfer::name_problem().
  virtual std::expected<void, Refusal> begin(std::string_view name) = 0;
  virtual std::expected<void, Refusal> write(std::span<const std::byte> bytes) = 0;
  // The content is right: makes the file appear. After a refusal the file is discarded.
  virtual std::expected<void, Refusal> keep() = 0;
  // Leaves nothing of a file that was begun; nothing happens if none was.
  virtual void discard() noexcept = 0;
};

// As many folder stores there may be at a time.
inline constexpr std::size_t kMostStores = 64;

// A folder that exists. A file is written under a temporary name in it and renamed by keep(); without `replace`, a file that
// is there already is never touched, however the two race. The temporary file is removed on SIGINT, SIGTERM and SIGHUP too.
[[nodiscard]] std::expected<std::unique_ptr<Store>, Failure> make_folder_store(const std::string& folder, bool replace);

// Standard output. What was written stays written, also when the file is discarded.
[[nodiscard]] std::unique_ptr<Store> make_output_store();

}  // namespace tool
