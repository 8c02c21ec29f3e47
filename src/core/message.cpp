// Message and the storage for those that lie in memory of their own.
#include <sluice/message.hpp>

#include <memory>
#include <utility>

#include "core/message_storage.hpp"

namespace sluice::inline v0 {

bool Message::shared() const noexcept { return storage_ != nullptr && storage_->shared_with_peer(); }

void Message::release() noexcept {
  delete storage_;
  storage_ = nullptr;
}

namespace core {
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

Message make_message(links::Buffer bytes) {
  if (bytes.size() == 0) return Message{};
  auto storage = std::make_unique<OwnBytes>(std::move(bytes));
  const auto view = storage->bytes();
  return MessageStorage::make_message(view, storage.release());
}

}  // namespace core
}  // namespace sluice::inline v0
