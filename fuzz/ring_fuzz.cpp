// A hostile peer in shared memory: between our own calls, whatever it likes is written anywhere into the region, and said on
// the connection that carries handles. We neither leave the region nor take a message beyond the limit, and no call goes on for
// ever.
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/ring_handles.hpp"
#include "core/ring_layout.hpp"
#include "core/ring_reader.hpp"
#include "core/ring_writer.hpp"
#include "fuzz/require.hpp"
#include "unit/fake_links.hpp"

using namespace sluice;
using namespace sluice::core;
using sluice_fuzz::Input;
using sluice_fuzz::require;
using sluice_test::FakeRegion;
using sluice_test::FakeStream;
using sluice_test::StreamWire;

namespace {

constexpr std::size_t kMaxMessage = 100'000;
constexpr std::size_t kMaxHandles = 4;
constexpr std::size_t kMostHeld = 8;
constexpr int kMostSteps = 200;

enum class Move : std::uint8_t {
  write_header,
  write_bytes,
  write_line,
  take,
  let_go,
  put,
  put_control,
  say,
  write_home,
  take_plain,
  count
};

class Play {
 public:
  explicit Play(Input input) : input_(input) { std::ranges::fill(*memory_, std::byte{0}); }

  ~Play() {
    // What was not read the system would close with the connection.
    for (const auto& rest : std::span{wire_->incoming_handles}.subspan(wire_->handles_taken))
      for (const auto native : rest.natives) ::close(static_cast<int>(native));
  }
  Play(const Play&) = delete;
  Play& operator=(const Play&) = delete;

  void run() {
    for (int step = 0; step < kMostSteps && !input_.empty(); ++step) {
      switch (static_cast<Move>(input_.take<std::uint8_t>() % static_cast<unsigned>(Move::count))) {
        case Move::write_header:
          // At a multiple of 8 in our incoming ring: where the next record may be looked for.
          write(ring_at(0, kMinCapacity) + std::size_t{input_.take<std::uint16_t>()} / kUnit * kUnit, kHeaderSize);
          break;
        case Move::write_home:
          write(home_at(0, input_.take<std::uint8_t>() % kHomes), kHeaderSize);
          break;
        case Move::write_bytes:
          write(input_.take<std::uint32_t>() % memory_->size(), input_.take<std::uint8_t>());
          break;
        case Move::write_line:
          write(consumer_line_at(1) + input_.take<std::uint8_t>(), 4);  // and the bell behind it
          break;
        case Move::take:
          take();
          break;
        case Move::take_plain:
          take_plain();
          break;
        case Move::let_go:
          if (!held_.empty())
            held_.erase(held_.begin() + input_.take<std::uint8_t>() % static_cast<std::ptrdiff_t>(held_.size()));
          break;
        case Move::put:
          put();
          break;
        case Move::say:
          say();
          break;
        default:
          (void)writer_.put_control({.word = Word::taken}, reader_.released_units());
          break;
      }
    }
  }

 private:
  void write(std::size_t at, std::size_t count) {
    const auto bytes = input_.take_bytes(std::min(count, memory_->size() - at));
    std::ranges::copy(bytes, memory_->begin() + static_cast<std::ptrdiff_t>(at));
  }
  // A packet of handles, mostly: with one handle, as its first byte says.
  void say() {
    const auto bytes = input_.take_bytes(input_.take<std::uint8_t>() % 12U);
    if (!bytes.empty() && (std::to_integer<unsigned>(bytes[0]) & 0x80U) != 0)
      wire_->incoming_handles.push_back({wire_->incoming.size(), {::dup(STDERR_FILENO)}});
    wire_->incoming.insert(wire_->incoming.end(), bytes.begin(), bytes.end());
  }
  void take() {
    auto incoming = reader_.take();
    if (!incoming) {
      require(incoming.error().code == Errc::protocol_error || incoming.error().code == Errc::would_block,
              "the code of a refusal");
      return;
    }
    if (incoming->what != Incoming::What::message && incoming->what != Incoming::What::control) return;
    writer_.note_released(incoming->back);
    const auto bytes = incoming->message.bytes();
    require(bytes.size() <= kMaxMessage, "no message is larger than we accept");
    if (incoming->message.shared()) {
      const auto lies_in = [&](std::size_t at, std::size_t size) {
        const auto* const place = memory_->data() + at;
        return bytes.data() >= place && bytes.data() + bytes.size() <= place + size;
      };
      require(lies_in(ring_at(0, kMinCapacity), kMinCapacity) || lies_in(home_at(0, 0), kHomeSize) ||
                  lies_in(home_at(0, 1), kHomeSize),
              "a view lies in its ring, or in a home slot of it");
    }
    if (!bytes.empty())
      sum_ =
          static_cast<std::uint8_t>(sum_ + std::to_integer<unsigned>(bytes.front()) + std::to_integer<unsigned>(bytes.back()));
    if (held_.size() < kMostHeld) held_.push_back(std::move(incoming->message));
  }
  void take_plain() {
    std::vector<std::byte> room(input_.take<std::uint16_t>());
    const auto taken = reader_.take_plain(room);
    if (!taken) return;
    require(taken->size <= room.size() && taken->size <= kMaxMessage, "it fits, and is no larger than we accept");
    writer_.note_released(taken->back);
    reader_.note_taken(1);
  }
  void put() {
    static const std::vector<std::byte> content(kMaxMessage, std::byte{1});
    const auto bytes = std::span<const std::byte>{content}.first(input_.take<std::uint16_t>());
    OutgoingMessage message{{&bytes, 1}};
    while (true) {
      const auto put = writer_.put(message, reader_.released_units());
      if (!put) {
        require(put.error().code == Errc::protocol_error || put.error().code == Errc::would_block, "the code of a refusal");
        return;
      }
      if (*put) return;
    }
  }

  Input input_;
  // One for all plays: fresh pages would take longer than the play.
  static FakeRegion::Memory region_memory() {
    static const FakeRegion::Memory memory = FakeRegion::make_memory();
    return memory;
  }

  FakeRegion::Memory memory_ = region_memory();
  std::shared_ptr<FakeRegion> region_ = std::make_shared<FakeRegion>(memory_, true);
  std::shared_ptr<StreamWire> wire_ = std::make_shared<StreamWire>();
  RingHandles handles_{std::make_unique<FakeStream>(wire_), kMaxHandles};
  RingReader reader_{region_, 0, kMaxMessage, &handles_};
  RingWriter writer_{region_, 1};
  std::vector<Message> held_;
  volatile std::uint8_t sum_{0};  // reads what a message views
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Play{Input{data, size}}.run();
  return 0;
}
