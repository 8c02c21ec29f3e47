#include "core/greeting.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::inline v0::core {
namespace {

Result<std::size_t> size_of_hello(std::span<const std::byte> fixed) { return hello_size(fixed.first<kHelloFixedSize>()); }

Result<std::size_t> size_of_control(std::span<const std::byte> fixed) {
  const auto header = unpack(load_little<std::uint64_t>(fixed.data()));
  if (!header || header->kind != Kind::control || header->length < kControlSize || header->length > kHelloLimit - kHeaderSize) {
    return Error{Errc::protocol_error, Step::hello, 0, 0, 0};
  }
  return kHeaderSize + header->length;
}

}  // namespace

std::vector<std::byte> control_frame(const Control& control, std::span<const std::uint64_t> numbers) {
  const std::size_t length = kControlSize + numbers.size() * sizeof(std::uint64_t);
  std::vector<std::byte> frame(kHeaderSize + length);
  store_little(frame.data(), pack({.length = static_cast<std::uint32_t>(length), .kind = Kind::control}));
  const auto payload = encode(control);
  std::ranges::copy(payload, frame.begin() + kHeaderSize);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    store_little(frame.data() + kHeaderSize + kControlSize + i * sizeof(std::uint64_t), numbers[i]);
  }
  return frame;
}

Greeting::Greeting(const links::AnyLink& link) noexcept {
  if (const auto* stream = std::get_if<std::unique_ptr<links::StreamLink>>(&link)) stream_ = stream->get();
  if (const auto* packets = std::get_if<std::unique_ptr<links::PacketLink>>(&link)) packets_ = packets->get();
}

// ---- out -----------------------------------------------------------------------------------------------------------------

void Greeting::queue(std::vector<std::byte> frame, std::vector<links::Descriptor> handles) {
  out_.push_back({std::move(frame), 0, std::move(handles)});
}

Result<std::size_t> Greeting::send_some(Out& out) {
  const Bytes rest = Bytes{out.bytes}.subspan(out.gone);
  if (packets_ != nullptr) {
    const links::OutgoingPacket packet{{&rest, 1}};
    const auto sent = packets_->send({&packet, 1});
    return sent ? Result<std::size_t>{rest.size()} : sent.error();
  }
  std::vector<links::Descriptor::Native> handles;
  if (out.gone == 0) {
    for (const auto& handle : out.handles) handles.push_back(handle.native());
  }
  return stream_->write({&rest, 1}, handles);
}

Result<void> Greeting::send() {
  while (!out_.empty()) {
    Out& out = out_.front();
    const auto sent = send_some(out);
    if (!sent) return sent.error();
    out.gone += *sent;
    if (out.gone == out.bytes.size()) out_.erase(out_.begin());
  }
  return {};
}

// ---- in ------------------------------------------------------------------------------------------------------------------

Result<Frame> Greeting::receive_hello() { return receive(kHelloFixedSize, size_of_hello, Handles::discard); }
Result<Frame> Greeting::receive_control(Handles handles) { return receive(kHeaderSize, size_of_control, handles); }

// First the fixed part, which says how long the frame is, then exactly the rest.
Result<Frame> Greeting::receive(std::size_t fixed, SizeOf size_of, Handles handles) {
  if (packets_ != nullptr) {
    auto frame = receive_packet();
    if (!frame) return frame;
    const auto size =
        frame->bytes.size() < fixed ? Result<std::size_t>{Errc::protocol_error, Step::hello} : size_of(frame->bytes);
    if (!size || *size != frame->bytes.size() || *size > left_) return Error{Errc::protocol_error, Step::hello, 0, 0, 0};
    left_ -= *size;
    return frame;
  }
  if (auto filled = fill(fixed, handles); !filled) return filled.error();
  const auto size = size_of(in_.bytes);
  if (!size) return size.error();
  if (*size > left_) return Error{Errc::protocol_error, Step::hello, 0, 0, 0};
  if (auto filled = fill(*size, handles); !filled) return filled.error();
  left_ -= *size;
  received_ = 0;
  return std::exchange(in_, Frame{});
}

Result<void> Greeting::fill(std::size_t size, Handles handles) {
  if (in_.bytes.size() < size) in_.bytes.resize(size);
  while (received_ < size) {
    const std::span<std::byte> room = std::span{in_.bytes}.subspan(received_, size - received_);
    const auto read = stream_->read({&room, 1}, handles == Handles::take ? &in_.handles : nullptr);
    if (!read) return read.error();
    if (*read == 0) return Error{Errc::peer_died, Step::hello, 0, 0, 0};
    if (!in_.handles.empty() && !in_.handles.back()) {
      in_.lost_handles = true;
      in_.handles.clear();
    }
    if (in_.handles.size() > links::Offer::kMaxHandles) return Error{Errc::protocol_error, Step::hello, 0, 0, 0};
    received_ += *read;
  }
  return {};
}

Result<Frame> Greeting::receive_packet() {
  links::Packet packet;
  const auto received = packets_->receive({&packet, 1});
  if (!received) return received.error();
  if (*received == 0) return Error{Errc::peer_died, Step::hello, 0, 0, 0};
  const auto bytes = packet.bytes.bytes();
  if (bytes.size() > kHelloLimit) return Error{Errc::protocol_error, Step::hello, 0, 0, 0};
  return Frame{{bytes.begin(), bytes.end()}, std::move(packet.handles)};
}

WaitingPoint Greeting::waiting_point() const {
  const bool sending = !out_.empty();
  // One thing at a time: first what this side has to say.
  const auto point = [&](const auto& link) {
    return WaitingPoint{sending ? link.outgoing() : link.incoming(), {.readable = !sending, .writable = sending}};
  };
  return stream_ != nullptr ? point(*stream_) : point(*packets_);
}

}  // namespace sluice::inline v0::core
