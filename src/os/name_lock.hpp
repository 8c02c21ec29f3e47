// NameLock: a listener's name, held by a lock that the kernel drops with its holder, on a file in the runtime folder. What the
// holder has made is recorded in that file, so that the next one can sweep what a killed one left.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "os/runtime_folder.hpp"

namespace sluice::inline v0::os {

// Which file it is, and since when: numbers of deleted files are given out again, but not with the same change time.
struct FileId {
  std::uint64_t device{0};
  std::uint64_t number{0};
  std::int64_t changed_seconds{0};
  std::int64_t changed_nanoseconds{0};

  friend bool operator==(const FileId&, const FileId&) = default;
};

// What a holder writes down.
struct NameRecord {
  std::string plain{};             // the endpoint's name in full
  std::string objects{};           // under which names it makes objects of the system; letters, digits and '-', or nothing
  std::optional<FileId> socket{};  // the socket it has bound
};

class NameLock {
 public:
  // Takes the name. address_in_use (Step::take_name): somebody alive has it, this process included. The file is made with mode
  // 0600. `plain` is the name in full; a file that was recorded for another one is address_in_use too.
  static Result<NameLock> take(Folder folder, std::string file, std::string_view plain);

  NameLock(NameLock&&) noexcept = default;
  NameLock& operator=(NameLock&&) = delete;
  // Gives the name back, and unlinks the file; not in a forked child, whose parent holds the name.
  ~NameLock();

  // What the last holder had recorded, if it was killed; `plain` as encode() writes it.
  [[nodiscard]] const NameRecord& found() const noexcept { return found_; }
  // Records; killed in the middle of it, the file tells nothing wrong.
  Result<void> record(const NameRecord& record);

 private:
  NameLock(Folder folder, std::string file, links::Descriptor lock, NameRecord found) noexcept;

  Folder folder_;
  std::string file_;
  links::Descriptor lock_;
  std::uint32_t generation_;
  NameRecord found_;
};

// The name in full that the file was recorded for, as encode() writes it; nothing if there is no such file or record.
[[nodiscard]] std::optional<std::string> recorded_name(const Folder& folder, const std::string& file);

}  // namespace sluice::inline v0::os
