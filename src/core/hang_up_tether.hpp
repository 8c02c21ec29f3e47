// The tether of channels that met in the lobby: the connection stays open, and its hang-up tells of the peer's end; so does the
// peer's process, where the system has it.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "links/stream_link.hpp"
#include "links/tether.hpp"

namespace sluice::inline v0::core {

class HangUpTether final : public links::Tether {
 public:
  HangUpTether(std::unique_ptr<links::StreamLink> connection, std::unique_ptr<links::Tether> process)
      : connection_(std::move(connection)), process_(std::move(process)), waitables_{connection_->incoming()} {
    const auto more = process_->waitables();
    waitables_.insert(waitables_.end(), more.begin(), more.end());
  }

  [[nodiscard]] std::span<const links::Waitable> waitables() const override { return waitables_; }

  // Nothing is said on this connection after the handshake: an end, an error and a stray byte all mean that the peer is no
  // longer the one we shook hands with.
  [[nodiscard]] bool is_severed() const override {
    const std::lock_guard lock(mutex_);
    std::byte stray{};
    const std::span<std::byte> room{&stray, 1};
    const auto read = connection_->read({&room, 1});
    return read || read.error().code != Errc::would_block || process_->is_severed();
  }

 private:
  mutable std::mutex mutex_;  // any thread may look, one at a time may read
  std::unique_ptr<links::StreamLink> connection_;
  std::unique_ptr<links::Tether> process_;
  std::vector<links::Waitable> waitables_;
};

}  // namespace sluice::inline v0::core
