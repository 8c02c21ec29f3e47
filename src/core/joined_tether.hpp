// Two tethers in one: severed once either is.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "links/tether.hpp"

namespace sluice::inline v0::core {

class JoinedTether final : public links::Tether {
 public:
  // Neither is null.
  JoinedTether(std::unique_ptr<links::Tether> one, std::unique_ptr<links::Tether> other)
      : one_(std::move(one)), other_(std::move(other)) {
    for (const auto* tether : {one_.get(), other_.get()}) {
      const auto more = tether->waitables();
      waitables_.insert(waitables_.end(), more.begin(), more.end());
    }
  }

  [[nodiscard]] std::span<const links::Waitable> waitables() const override { return waitables_; }
  [[nodiscard]] bool is_severed() const override { return one_->is_severed() || other_->is_severed(); }

 private:
  std::unique_ptr<links::Tether> one_;
  std::unique_ptr<links::Tether> other_;
  std::vector<links::Waitable> waitables_;
};

}  // namespace sluice::inline v0::core
