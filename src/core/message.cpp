// Message and the storage for those that lie in memory of their own.
#include <sluice/message.hpp>

#include <memory>
#include <utility>

#include "core/message_storage.hpp"

namespace sluice::inline v0 {

bool Message::shared() const noexcept { return storage_ != nullptr && storage_->shared_with_peer(); }

std::span<Handle> Message::handles() & noexcept { return storage_ == nullptr ? std::span<Handle>{} : storage_->handles(); }
std::span<const Handle> Message::handles() const& noexcept {
  return storage_ == nullptr ? std::span<Handle>{} : storage_->handles();
}

void Message::destroy_storage() noexcept {
  delete storage_;
  storage_ = nullptr;
}

namespace core {

// ---- handles -------------------------------------------------------------------------------------------------------------

void MessageStorage::attach(std::vector<links::Descriptor> arrived) {
  if (arrived.empty()) return;
  handles_ = std::make_unique<Handles>();
  handles_->handed_over.reserve(arrived.size());  // now: handing over must not fail
  handles_->arrived = std::move(arrived);
}

std::size_t MessageStorage::count_handles(const Message& message) noexcept {
  const auto* storage = message.storage_;
  if (storage == nullptr || !storage->handles_) return 0;
  return storage->handles_->arrived.size() + storage->handles_->handed_over.size();
}

void MessageStorage::hand_over(Message& message) noexcept {
  if (message.storage_ == nullptr || !message.storage_->handles_) return;
  auto& [arrived, handed_over] = *message.storage_->handles_;
  for (auto& descriptor : arrived) handed_over.emplace_back(descriptor.release());
  arrived.clear();
}

std::vector<Handle> MessageStorage::hand_over_handles(Message& message) noexcept {
  hand_over(message);
  if (message.storage_ == nullptr || !message.storage_->handles_) return {};
  return std::exchange(message.storage_->handles_->handed_over, {});
}

std::span<Handle> MessageStorage::handles() noexcept {
  return handles_ ? std::span<Handle>{handles_->handed_over} : std::span<Handle>{};
}

// ---- memory of its own ---------------------------------------------------------------------------------------------------

namespace {

class OwnBytes final : public MessageStorage {
 public:
  explicit OwnBytes(links::Buffer bytes) noexcept : bytes_(std::move(bytes)) {}
  [[nodiscard]] bool shared_with_peer() const noexcept override { return false; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_.bytes(); }

 private:
  links::Buffer bytes_;
};

}  // namespace

Message make_message(links::Buffer bytes, std::vector<links::Descriptor> handles) {
  if (bytes.size() == 0 && handles.empty()) return Message{};
  auto storage = std::make_unique<OwnBytes>(std::move(bytes));
  storage->attach(std::move(handles));
  const auto view = storage->bytes();
  return MessageStorage::make_message(view, storage.release());
}

}  // namespace core
}  // namespace sluice::inline v0
