#include "os/windows/overlapped_stream.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <new>
#include <optional>

#include "os/failure.hpp"
#include "os/gate.hpp"
#include "os/windows/source.hpp"

namespace sluice::inline v0::os {
namespace {

// One record of 64 KiB and its header in one operation; more at once makes nothing faster, and each channel has two of these.
constexpr std::size_t kRoom = (std::size_t{64} << 10) + 4096;
// How many threads may take completions off a port at a time. One that is working counts as one of them, and as many as there
// are processors would be the default: then a look of another thread would find nothing although there is something.
constexpr DWORD kAnyNumberOfThreads = 0x7fff'ffff;

using Outcome = OverlappedHandle::Outcome;
using How = Outcome::How;

}  // namespace

// ---- the two directions --------------------------------------------------------------------------------------------------

// What outlives the link while the system has an operation of it. Any thread may call anything.
class OverlappedStream::Ends final : public Source {
 public:
  Ends(std::unique_ptr<OverlappedHandle> handle, links::Descriptor port, Gate readable, Gate writable) noexcept
      : handle_(std::move(handle)), port_(std::move(port)), readable_(std::move(readable)), writable_(std::move(writable)) {}

  Result<void> start();
  Result<std::size_t> write(std::span<const std::span<const std::byte>> buffers);
  Result<std::size_t> read(std::span<const std::span<std::byte>> rooms);
  Result<void> finish_writing();
  [[nodiscard]] bool was_reset() const noexcept;
  [[nodiscard]] bool is_writing() noexcept;

  [[nodiscard]] Signals signals() const noexcept override {
    return {to_handle(port_), to_handle(readable_.waitable().native), to_handle(writable_.waitable().native)};
  }
  [[nodiscard]] links::Interest look() noexcept override;

  // The link is gone: closes, unless a write is on its way. Whether the system has no operation of ours any more.
  [[nodiscard]] bool is_idle() noexcept;

 private:
  struct Direction {
    OVERLAPPED operation{};
    std::unique_ptr<std::byte[]> bytes;
    std::size_t begin{0};  // incoming: of what was not read; outgoing: of what the write that is on its way has left
    std::size_t end{0};
    bool is_on_its_way{false};
    int os_code{0};  // why it has failed
  };

  void collect() noexcept;
  void take_incoming(const Outcome& outcome) noexcept;
  void take_outgoing(const Outcome& outcome) noexcept;
  void start_reading() noexcept;
  void start_writing() noexcept;
  void set_gates() noexcept;
  [[nodiscard]] std::size_t copy_out(std::span<const std::span<std::byte>> rooms, std::size_t from) noexcept;

  mutable std::mutex mutex_;  // everything below
  std::unique_ptr<OverlappedHandle> handle_;
  links::Descriptor port_;
  Direction in_;
  Direction out_;
  Gate readable_;  // open while there are bytes, or the end
  Gate writable_;  // open while no write is on its way
  bool has_ended_{false};
  bool was_reset_{false};
  bool finishes_{false};  // once the write that is on its way is done
};

Result<void> OverlappedStream::Ends::start() {
  if (::CreateIoCompletionPort(handle_->native(), to_handle(port_), 0, 0) == nullptr) {
    return failure(last_error(), Step::make_waiter);
  }
  in_.bytes.reset(new (std::nothrow) std::byte[kRoom]);
  out_.bytes.reset(new (std::nothrow) std::byte[kRoom]);
  if (!in_.bytes || !out_.bytes) return Error{Errc::out_of_memory, Step::make_waiter, 0, 0, 0};
  const std::lock_guard lock(mutex_);
  start_reading();
  set_gates();
  return {};
}

// Begins to read into the empty room; may be done at once.
void OverlappedStream::Ends::start_reading() noexcept {
  if (has_ended_ || in_.is_on_its_way || in_.begin != in_.end) return;
  in_.begin = in_.end = 0;
  in_.operation = {};
  take_incoming(handle_->read({in_.bytes.get(), kRoom}, in_.operation));
}

void OverlappedStream::Ends::take_incoming(const Outcome& outcome) noexcept {
  in_.is_on_its_way = outcome.how == How::pending;
  if (outcome.how == How::done) {
    in_.end = std::min(outcome.size, kRoom);
    has_ended_ = outcome.size == 0;
  } else if (outcome.how == How::failed) {
    has_ended_ = true;
    was_reset_ = failure(outcome.os_code, Step::receive).code == Errc::peer_died;
    if (!was_reset_) in_.os_code = outcome.os_code;
  }
}

// Writes what lies in the outbox; some kinds of handles may take a part only.
void OverlappedStream::Ends::start_writing() noexcept {
  while (out_.begin != out_.end && !out_.is_on_its_way && out_.os_code == 0) {
    out_.operation = {};
    take_outgoing(handle_->write({out_.bytes.get() + out_.begin, out_.end - out_.begin}, out_.operation));
  }
}

void OverlappedStream::Ends::take_outgoing(const Outcome& outcome) noexcept {
  out_.is_on_its_way = outcome.how == How::pending;
  if (outcome.how == How::done) out_.begin += std::min(outcome.size, out_.end - out_.begin);
  // One that is done with nothing is no progress: that is an end, and not to be tried for ever.
  const bool is_stuck = outcome.how == How::done && outcome.size == 0;
  if (outcome.how == How::failed || is_stuck) {
    out_.os_code = is_stuck ? ERROR_NO_DATA : outcome.os_code;
    out_.begin = out_.end;
  }
}

// Takes what has completed off the port.
void OverlappedStream::Ends::collect() noexcept {
  std::array<OVERLAPPED_ENTRY, 2> done{};
  ULONG count = 0;
  if ((!in_.is_on_its_way && !out_.is_on_its_way) ||
      ::GetQueuedCompletionStatusEx(to_handle(port_), done.data(), static_cast<ULONG>(done.size()), &count, 0, FALSE) == 0) {
    return;
  }
  for (const auto& one : std::span{done}.first(count)) {
    if (one.lpOverlapped == &in_.operation && in_.is_on_its_way) take_incoming(handle_->outcome(in_.operation));
    if (one.lpOverlapped == &out_.operation && out_.is_on_its_way) {
      take_outgoing(handle_->outcome(out_.operation));
      start_writing();
    }
  }
  if (finishes_ && !out_.is_on_its_way) {
    finishes_ = false;
    (void)handle_->finish_writing();
  }
  set_gates();
}

void OverlappedStream::Ends::set_gates() noexcept {
  readable_.set(in_.begin != in_.end || has_ended_);
  writable_.set(!out_.is_on_its_way);
}

links::Interest OverlappedStream::Ends::look() noexcept {
  const std::lock_guard lock(mutex_);
  collect();
  return {.readable = readable_.is_open(), .writable = writable_.is_open()};
}

bool OverlappedStream::Ends::was_reset() const noexcept {
  const std::lock_guard lock(mutex_);
  return was_reset_;
}

bool OverlappedStream::Ends::is_writing() noexcept {
  const std::lock_guard lock(mutex_);
  collect();
  return out_.is_on_its_way;
}

// ---- reading and writing -------------------------------------------------------------------------------------------------

// Copies into `rooms`, of which `from` bytes are filled already.
std::size_t OverlappedStream::Ends::copy_out(std::span<const std::span<std::byte>> rooms, std::size_t from) noexcept {
  std::size_t copied = 0;
  for (const auto room : rooms) {
    if (from >= room.size()) {
      from -= room.size();
      continue;
    }
    const std::size_t size = std::min(room.size() - from, in_.end - in_.begin);
    if (size == 0) break;
    std::memcpy(room.data() + from, in_.bytes.get() + in_.begin, size);
    in_.begin += size;
    copied += size;
    from = 0;
  }
  return copied;
}

Result<std::size_t> OverlappedStream::Ends::read(std::span<const std::span<std::byte>> rooms) {
  std::size_t space = 0;
  for (const auto room : rooms) space += room.size();
  if (space == 0) return std::size_t{0};
  const std::lock_guard lock(mutex_);
  collect();
  std::size_t filled = 0;
  while (true) {
    filled += copy_out(rooms, filled);
    if (in_.begin != in_.end) break;  // no room left
    start_reading();
    if (in_.begin == in_.end) break;  // nothing there now, or the end
    if (filled == space) break;
  }
  set_gates();
  if (filled != 0) return filled;
  if (!has_ended_) return Error{Errc::would_block, Step::receive, 0, 0, 0};
  if (in_.os_code != 0) return failure(in_.os_code, Step::receive);
  return std::size_t{0};
}

Result<std::size_t> OverlappedStream::Ends::write(std::span<const std::span<const std::byte>> buffers) {
  const std::lock_guard lock(mutex_);
  collect();
  if (out_.os_code != 0) return failure(out_.os_code, Step::send);
  if (out_.is_on_its_way) return Error{Errc::would_block, Step::send, 0, 0, 0};
  out_.begin = out_.end = 0;
  for (const auto buffer : buffers) {
    const std::size_t size = std::min(buffer.size(), kRoom - out_.end);
    if (size != 0) std::memcpy(out_.bytes.get() + out_.end, buffer.data(), size);
    out_.end += size;
    if (size < buffer.size()) break;
  }
  const std::size_t taken = out_.end;
  start_writing();
  set_gates();
  if (out_.os_code == 0) return taken;
  const Error error = failure(out_.os_code, Step::send);
  if (error.code == Errc::peer_died) was_reset_ = true;
  return error;
}

Result<void> OverlappedStream::Ends::finish_writing() {
  const std::lock_guard lock(mutex_);
  collect();
  finishes_ = out_.is_on_its_way;
  return finishes_ ? Result<void>{} : handle_->finish_writing();
}

// ---- the end -------------------------------------------------------------------------------------------------------------

// Closing comes only when nothing more is to be written, for it cancels what is on its way; it gives up the read.
bool OverlappedStream::Ends::is_idle() noexcept {
  const std::lock_guard lock(mutex_);
  if (handle_) {
    collect();
    if (!out_.is_on_its_way) handle_.reset();
  }
  if (!handle_ && in_.is_on_its_way) {
    OVERLAPPED_ENTRY done{};
    ULONG count = 0;
    // The handle is closed: that it has completed is all that can be said of the read.
    if (::GetQueuedCompletionStatusEx(to_handle(port_), &done, 1, &count, 0, FALSE) != 0) in_.is_on_its_way = false;
  }
  return !handle_ && !in_.is_on_its_way;
}

// Keeps the ends of a stream whose link is gone as long as the system has an operation of them: in the thread pool, which waits
// for their port.
class OverlappedStream::Lingering {
 public:
  static void begin(std::unique_ptr<Lingering> lingering, std::shared_ptr<Ends> ends) noexcept {
    Lingering* const kept = lingering.release();  // deletes itself
    kept->ends_ = std::move(ends);
    const PTP_WAIT wait = ::CreateThreadpoolWait(on_completion, kept, nullptr);
    // Without memory for it they are kept for ever, which harms nobody but us.
    if (wait != nullptr) ::SetThreadpoolWait(wait, kept->ends_->signals().activity, nullptr);
  }

 private:
  static void CALLBACK on_completion(PTP_CALLBACK_INSTANCE, void* context, PTP_WAIT wait, TP_WAIT_RESULT) {
    auto* const lingering = static_cast<Lingering*>(context);
    if (lingering->ends_->is_idle()) {
      ::CloseThreadpoolWait(wait);
      delete lingering;
    } else {
      ::SetThreadpoolWait(wait, lingering->ends_->signals().activity, nullptr);
    }
  }

  std::shared_ptr<Ends> ends_;
};

// ---- the link ------------------------------------------------------------------------------------------------------------

Result<std::unique_ptr<links::StreamLink>> OverlappedStream::create(std::unique_ptr<OverlappedHandle> handle) {
  auto port = own(::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, kAnyNumberOfThreads));
  if (!port) return failure(last_error(), Step::make_waiter);
  auto readable = Gate::create(Gate::Ready::for_reading, false);
  if (!readable) return readable.error();
  auto writable = Gate::create(Gate::Ready::for_writing, true);
  if (!writable) return writable.error();
  auto lingering = std::make_unique<Lingering>();
  auto ends = std::make_shared<Ends>(std::move(handle), std::move(port), *std::move(readable), *std::move(writable));
  std::unique_ptr<OverlappedStream> stream(new OverlappedStream(std::move(ends), std::move(lingering)));
  if (auto started = stream->ends_->start(); !started) return started.error();
  return std::unique_ptr<links::StreamLink>(std::move(stream));
}

OverlappedStream::OverlappedStream(std::shared_ptr<Ends> ends, std::unique_ptr<Lingering> lingering) noexcept
    : ends_(std::move(ends)), lingering_(std::move(lingering)) {}

OverlappedStream::~OverlappedStream() {
  if (!ends_->is_idle()) Lingering::begin(std::move(lingering_), std::move(ends_));
}

Result<std::size_t> OverlappedStream::write(std::span<const std::span<const std::byte>> buffers,
                                            std::span<const links::Descriptor::Native> handles) {
  if (!handles.empty()) return Error{Errc::not_supported, Step::send, 0, 0, 0};
  return ends_->write(buffers);
}

Result<std::size_t> OverlappedStream::read(std::span<const std::span<std::byte>> rooms, std::vector<links::Descriptor>*) {
  return ends_->read(rooms);
}

Result<void> OverlappedStream::finish_writing() { return ends_->finish_writing(); }
bool OverlappedStream::was_reset() const { return ends_->was_reset(); }
links::Waitable OverlappedStream::incoming() const { return ends_->waitable(); }
links::Waitable OverlappedStream::outgoing() const { return ends_->waitable(); }
bool OverlappedStream::pending() const { return ends_->is_writing(); }

}  // namespace sluice::inline v0::os
