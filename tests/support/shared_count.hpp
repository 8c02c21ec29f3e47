// A number that a peer writes and the test reads, in memory that both map: what a peer has done stays known when it is killed
// in the middle of the next thing. An answer over the control connection would have to be waited for.
// Stands on memfd_create(2), proc(5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace sluice_test {

class SharedCount {
 public:
  // A new one, which is 0.
  SharedCount();
  // That of another process, by its path().
  explicit SharedCount(const std::string& path);
  SharedCount(const SharedCount&) = delete;
  SharedCount& operator=(const SharedCount&) = delete;
  ~SharedCount();

  // How another process of the same user finds it, as long as this one has it.
  [[nodiscard]] std::string path() const;
  void store(std::uint64_t count) noexcept;
  [[nodiscard]] std::uint64_t load() const noexcept;

 private:
  void map(int fd);

  int fd_{-1};  // only the maker keeps it
  std::uint64_t* count_{nullptr};
};

}  // namespace sluice_test
