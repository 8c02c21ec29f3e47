// Order statistics by nearest rank.
#include "bench_samples.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tool::bench {

Samples::Samples(std::size_t most) : durations_(most) {}

std::int64_t Samples::quantile(double share) {
  if (count_ == 0) return 0;
  const auto begin = durations_.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(count_);
  if (!sorted_) std::sort(begin, end);
  sorted_ = true;
  const double rank = std::ceil(share * static_cast<double>(count_));
  const double index = std::clamp(rank - 1, 0.0, static_cast<double>(count_ - 1));
  return durations_[static_cast<std::size_t>(index)];
}

double Samples::mean() const noexcept {
  if (count_ == 0) return 0;
  const auto end = durations_.begin() + static_cast<std::ptrdiff_t>(count_);
  return std::accumulate(durations_.begin(), end, 0.0) / static_cast<double>(count_);
}

}  // namespace tool::bench
