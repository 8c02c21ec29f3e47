// Durations that were measured, and what is said of them: exact order statistics, no buckets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tool::bench {

class Samples {
 public:
  // Keeps the first `most` durations; the memory is touched here, not while something is measured.
  explicit Samples(std::size_t most);

  void add(std::int64_t nanoseconds) noexcept {
    if (count_ < durations_.size()) durations_[count_++] = nanoseconds;
  }
  [[nodiscard]] bool is_full() const noexcept { return count_ == durations_.size(); }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

  // The smallest duration that at least this share of all don't exceed (nearest rank): 0.5 the median, 0 the smallest, 1 the
  // largest. 0 if there are none. Sorts.
  [[nodiscard]] std::int64_t quantile(double share);
  [[nodiscard]] double mean() const noexcept;

 private:
  std::vector<std::int64_t> durations_;
  std::size_t count_{0};
  bool sorted_{false};
};

}  // namespace tool::bench
