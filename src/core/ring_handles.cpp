#include "core/ring_handles.hpp"

#include <utility>

#include "core/record.hpp"
#include "core/records.hpp"
#include "links/fault.hpp"

namespace sluice::inline v0::core {
namespace {

// number u32, how many u32
constexpr std::size_t kPacketSize = 8;

}  // namespace

RingHandles::RingHandles(std::unique_ptr<links::StreamLink> connection, std::size_t most)
    : connection_(std::move(connection)), most_(most) {
  if (most != 0) connection_->accept_handles(most);
}

Result<void> RingHandles::send(std::uint32_t number, std::span<const Handle> handles) {
  if (is_cut_) return Error{Errc::limit_reached, Step::attach, 0, 0, 0};
  std::array<std::byte, kPacketSize> packet;
  store_little(packet.data(), number);
  store_little(packet.data() + sizeof number, static_cast<std::uint32_t>(handles.size()));
  scratch_.clear();
  for (const auto& handle : handles) scratch_.push_back(handle.native());
  const Bytes place{packet};
  const auto written = connection_->write({&place, 1}, scratch_);
  is_full_.store(!written && written.error().code == Errc::would_block, std::memory_order_relaxed);
  if (!written) return written.error();
  // So few bytes go at once or not at all over what carries handles: a socket has room for a whole buffer of its own or for
  // none. Otherwise nothing can be said on this connection any more.
  is_cut_ = *written != packet.size();
  if (is_cut_) return Error{Errc::limit_reached, Step::attach, 0, 0, 0};
  fault::point("after-handles");
  return {};
}

// One read: a packet comes as a whole, and a read ends before the next one's handles.
Result<std::vector<links::Descriptor>> RingHandles::take(std::uint32_t number) {
  if (most_ == 0) return protocol_error();
  std::array<std::byte, kPacketSize> packet;
  const std::span<std::byte> room{packet};
  std::vector<links::Descriptor> handles;
  const auto read = connection_->read({&room, 1}, discards_ ? nullptr : &handles);
  if (!read && read.error().code != Errc::would_block) return read.error();
  if (!read || *read != packet.size()) return protocol_error();  // it was to be there before its record
  const auto count = load_little<std::uint32_t>(packet.data() + sizeof number);
  if (load_little<std::uint32_t>(packet.data()) != number || count == 0 || count > most_) return protocol_error();
  if (discards_) return handles;
  if (!handles.empty() && !handles.back()) return Error{Errc::limit_reached, Step::receive, 0, 0, 0};
  if (handles.size() != count) return protocol_error();
  return handles;
}

}  // namespace sluice::inline v0::core
