#include "mechanisms/inproc_stream.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>
#include <vector>

#include "mechanisms/inproc_birthplace.hpp"
#include "mechanisms/inproc_outbox.hpp"
#include "os/handles.hpp"

namespace sluice::inline v0::mechanism::inproc {

// ---- BytePipe ------------------------------------------------------------------------------------------------------------

Result<std::shared_ptr<BytePipe>> BytePipe::create(std::size_t size, std::size_t chop) {
  auto readable = os::Gate::create(os::Gate::Ready::for_reading, false);
  if (!readable) return readable.error();
  auto writable = os::Gate::create(os::Gate::Ready::for_writing, true);
  if (!writable) return writable.error();
  std::unique_ptr<std::byte[]> bytes(new (std::nothrow) std::byte[size]);
  if (!bytes) return Errc::out_of_memory;
  return std::shared_ptr<BytePipe>(new BytePipe(std::move(bytes), size, chop, *std::move(readable), *std::move(writable)));
}

// Copies in what fits, which may lie in two stretches: at the end of the ring, and at its beginning.
std::size_t BytePipe::copy_in(std::span<const std::byte> from) noexcept {
  const std::size_t count = std::min(from.size(), size_ - filled_);
  if (count == 0) return 0;
  const std::size_t at = (begin_ + filled_) % size_;
  const std::size_t first = std::min(count, size_ - at);
  std::memcpy(bytes_.get() + at, from.data(), first);
  if (first != count) std::memcpy(bytes_.get(), from.data() + first, count - first);
  filled_ += count;
  return count;
}

std::size_t BytePipe::copy_out(std::span<std::byte> to) noexcept {
  const std::size_t count = std::min(to.size(), filled_);
  if (count == 0) return 0;
  const std::size_t first = std::min(count, size_ - begin_);
  std::memcpy(to.data(), bytes_.get() + begin_, first);
  if (first != count) std::memcpy(to.data() + first, bytes_.get(), count - first);
  begin_ = (begin_ + count) % size_;
  filled_ -= count;
  return count;
}

// Called under the lock after each change, so that the gates never lie.
void BytePipe::changed() noexcept {
  readable_.set(filled_ != 0 || writer_gone_);
  writable_.set(filled_ != size_ || reader_gone_);
  room_.notify_one();
}

namespace {

Result<std::vector<links::Descriptor>> duplicates_of(std::span<const links::Descriptor::Native> handles) {
  std::vector<links::Descriptor> duplicates;
  duplicates.reserve(handles.size());
  for (const auto handle : handles) {
    auto duplicate = os::duplicate(handle, Step::send);
    if (!duplicate) return duplicate.error();
    duplicates.push_back(*std::move(duplicate));
  }
  return duplicates;
}

}  // namespace

Result<std::size_t> BytePipe::write(std::span<const std::span<const std::byte>> buffers,
                                    std::span<const links::Descriptor::Native> handles) {
  const std::lock_guard lock(mutex_);
  if (reader_gone_) return Errc::peer_died;
  if (!handles.empty() && filled_ == size_) return Errc::would_block;
  if (!handles.empty() && std::ranges::all_of(buffers, &std::span<const std::byte>::empty)) return Errc::misuse;
  auto duplicates = duplicates_of(handles);
  if (!duplicates) return duplicates.error();
  const std::uint64_t position = read_ + filled_;
  if (!handles.empty()) attached_.push_back({position, *std::move(duplicates)});  // there is room for their byte
  std::size_t written = 0;
  bool refused = false;
  for (const auto buffer : buffers) {
    const auto part = buffer.first(std::min(buffer.size(), chop_ - written));
    const std::size_t copied = copy_in(part);
    written += copied;
    refused = copied < part.size();
    if (copied < buffer.size()) break;
  }
  if (written == 0 && refused) return Errc::would_block;
  changed();
  return written;
}

bool BytePipe::write_all(std::span<const std::byte> bytes) {
  std::unique_lock lock(mutex_);
  while (!bytes.empty()) {
    room_.wait(lock, [this] { return reader_gone_ || filled_ != size_; });
    if (reader_gone_) return false;
    bytes = bytes.subspan(copy_in(bytes.first(std::min(bytes.size(), chop_))));
    changed();
  }
  return true;
}

Result<std::size_t> BytePipe::read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>* handles) {
  const std::lock_guard lock(mutex_);
  if (filled_ == 0) {
    if (writer_gone_) return std::size_t{0};
    return Errc::would_block;
  }
  const std::size_t most = attached_.size() < 2 ? chop_ : std::min<std::size_t>(chop_, attached_[1].position - read_);
  std::size_t read = 0;
  for (const auto room : rooms) read += copy_out(room.first(std::min(room.size(), most - read)));
  read_ += read;
  if (!attached_.empty() && attached_.front().position < read_) {
    if (handles != nullptr) std::ranges::move(attached_.front().handles, std::back_inserter(*handles));
    attached_.pop_front();
  }
  changed();
  return read;
}

void BytePipe::end_writing() noexcept {
  const std::lock_guard lock(mutex_);
  writer_gone_ = true;
  changed();
}

void BytePipe::end_reading() noexcept {
  const std::lock_guard lock(mutex_);
  reader_gone_ = true;
  attached_.clear();
  changed();
}

bool BytePipe::is_reader_gone() const noexcept {
  const std::lock_guard lock(mutex_);
  return reader_gone_;
}

// ---- the link ------------------------------------------------------------------------------------------------------------

namespace {

class InprocStream final : public links::StreamLink {
 public:
  using StreamLink::read;
  using StreamLink::write;

  InprocStream(std::shared_ptr<BytePipe> in, std::shared_ptr<BytePipe> out) noexcept
      : in_(std::move(in)), out_(std::move(out)) {}

  ~InprocStream() override {
    if (!birthplace_.is_here()) {
      abandon(in_);
      abandon(out_);
      abandon(outbox_);
      return;
    }
    in_->end_reading();
    (void)InprocStream::finish_writing();
  }

  Result<void> finish_writing() override {
    if (outbox_) {
      outbox_->close();  // its courier ends the writing when all is delivered
    } else {
      out_->end_writing();
    }
    return {};
  }

  // Once, before the link is used.
  Result<void> use_outbox(std::size_t limit, std::size_t chop) {
    auto outbox = Outbox::create(
        limit, [out = out_](const links::Buffer& bytes) { return out->write_all(bytes.bytes()); },
        [out = out_] { out->end_writing(); });
    if (!outbox) return outbox.error();
    if (auto started = (*outbox)->start(); !started) return started;
    outbox_ = *std::move(outbox);
    chop_ = chop;
    return {};
  }

  Result<std::size_t> write(std::span<const std::span<const std::byte>> buffers,
                            std::span<const links::Descriptor::Native> handles) override {
    if (outbox_ && !handles.empty()) return Errc::not_supported;
    return outbox_ ? write_to_outbox(buffers) : out_->write(buffers, handles);
  }

  Result<std::size_t> read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>* handles) override {
    return in_->read(rooms, handles);
  }
  [[nodiscard]] bool carries_handles() const override { return !outbox_; }  // whose bytes a foreign thread moves

  [[nodiscard]] links::Waitable incoming() const override { return in_->readable(); }
  [[nodiscard]] links::Waitable outgoing() const override { return outbox_ ? outbox_->waitable() : out_->writable(); }
  [[nodiscard]] bool pending() const override { return outbox_ && outbox_->pending(); }

 private:
  Result<std::size_t> write_to_outbox(std::span<const std::span<const std::byte>> buffers) {
    if (out_->is_reader_gone()) return Errc::peer_died;
    const auto room = outbox_->room();
    if (!room) return room.error();
    std::size_t size = 0;
    for (const auto buffer : buffers) size += buffer.size();
    size = std::min({size, *room, chop_});
    if (size == 0) return size;
    links::Buffer copy;
    if (!copy.reserve(size)) return Errc::out_of_memory;
    for (const auto buffer : buffers) {
      if (!copy.append(buffer.first(std::min(buffer.size(), size - copy.size())))) return Errc::out_of_memory;
    }
    outbox_->put(std::move(copy), size);
    return size;
  }

  std::shared_ptr<BytePipe> in_;
  std::shared_ptr<BytePipe> out_;
  std::shared_ptr<Outbox> outbox_;  // null: written straight into out_
  std::size_t chop_{0};             // the most bytes that one write puts into the outbox
  Birthplace birthplace_;
};

}  // namespace

Result<std::pair<std::unique_ptr<links::StreamLink>, std::unique_ptr<links::StreamLink>>> make_streams(const Variant& variant) {
  auto there = BytePipe::create(variant.buffer, variant.chop);
  if (!there) return there.error();
  auto back = BytePipe::create(variant.buffer, variant.chop);
  if (!back) return back.error();
  auto first = std::make_unique<InprocStream>(*back, *there);
  auto second = std::make_unique<InprocStream>(*there, *back);
  if (variant.outbox != 0) {
    for (auto* link : {first.get(), second.get()}) {
      if (auto used = link->use_outbox(variant.outbox, variant.chop); !used) return used.error();
    }
  }
  return std::pair<std::unique_ptr<links::StreamLink>, std::unique_ptr<links::StreamLink>>{std::move(first), std::move(second)};
}

}  // namespace sluice::inline v0::mechanism::inproc
