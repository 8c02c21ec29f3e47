// A stranger that speaks the wire by hand: connects to the Unix socket or the TCP port on which a listener (or the lobby)
// waits, and writes what it likes. It shares no code with the library; docs/protocol.md is what it goes by.
//
// A door is where one knocks: the path of a Unix socket, or its abstract name, "@name", or the address and port of a TCP one,
// "127.0.0.1:7000" or "[::1]:7000".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "machine.hpp"

namespace sluice_test {

// Bytes being written, little-endian.
class Wire {
 public:
  Wire& u8(std::uint8_t value) { return number(value, 1); }
  Wire& u16(std::uint16_t value) { return number(value, 2); }
  Wire& u32(std::uint32_t value) { return number(value, 4); }
  Wire& u64(std::uint64_t value) { return number(value, 8); }
  Wire& zeros(std::size_t count);
  Wire& random(std::size_t count, std::uint64_t seed);
  Wire& text(std::string_view text);
  Wire& append(const Wire& other);
  [[nodiscard]] const std::vector<std::byte>& bytes() const noexcept { return bytes_; }

 private:
  Wire& number(std::uint64_t value, std::size_t size);
  std::vector<std::byte> bytes_;
};

// The fixed 64 bytes of a hello; each field can be wrong.
struct RawHello {
  std::string magic{"SLUICE\r\n"};
  std::uint16_t lowest{0};
  std::uint16_t highest{0};
  std::uint32_t size{64};
  std::uint64_t required{0};
  std::uint64_t largest{std::uint64_t{64} << 20};
  std::uint8_t order{1};
  std::uint8_t word{8};
  [[nodiscard]] Wire wire() const;
};

// A record's header: kind 0 … 7, and any bits 29 … 31.
enum class RawKind : std::uint32_t { none, data, piece, last_piece, filler, control, six, seven };
inline constexpr std::uint32_t kRawHandles = 1U << 29;
inline constexpr std::uint32_t kRawHome = 1U << 30;
inline constexpr std::uint32_t kRawTurn = 1U << 31;
[[nodiscard]] std::uint64_t raw_header(RawKind kind, std::uint32_t length, std::uint32_t back = 0, std::uint32_t bits = 0);
// A control record with its header.
[[nodiscard]] Wire raw_control(std::uint32_t word, std::uint32_t number = 0, std::uint64_t value = 0);

namespace word {
inline constexpr std::uint32_t kOffer = 1;
inline constexpr std::uint32_t kRefuse = 2;
inline constexpr std::uint32_t kReady = 3;
inline constexpr std::uint32_t kAsk = 16;
inline constexpr std::uint32_t kTaken = 17;
inline constexpr std::uint32_t kFinish = 18;
inline constexpr std::uint32_t kGoodbye = 19;
inline constexpr std::uint32_t kGoodbyeSeen = 20;
}  // namespace word

// Owned descriptors of the system.
class Files {
 public:
  Files() = default;
  Files(Files&& other) noexcept : files_(std::move(other.files_)) { other.files_.clear(); }
  Files& operator=(Files&& other) noexcept;
  ~Files() { close(); }
  void add(int fd) { files_.push_back(fd); }
  void close();
  [[nodiscard]] std::size_t size() const noexcept { return files_.size(); }
  [[nodiscard]] int operator[](std::size_t at) const { return files_.at(at); }
  [[nodiscard]] const std::vector<int>& all() const noexcept { return files_; }

 private:
  std::vector<int> files_;
};

// A connected stream socket. Every wait ends after patience().
class RawSocket {
 public:
  explicit RawSocket(int fd) noexcept : fd_(fd) {}
  RawSocket(RawSocket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  RawSocket& operator=(RawSocket&&) = delete;
  ~RawSocket() { close(); }
  // Throws std::system_error if nobody listens there.
  static RawSocket connect(const std::string& door);

  // False when the other end is gone, or takes nothing for patience().
  bool send(std::span<const std::byte> bytes, const Files& files = {});
  bool send(const Wire& wire, const Files& files = {}) { return send(wire.bytes(), files); }
  // Exactly `size` bytes; nothing if the other end is gone before.
  std::optional<std::vector<std::byte>> receive(std::size_t size, Files* files = nullptr);
  // A frame of the handshake: a hello, or a control record (header included).
  std::optional<std::vector<std::byte>> receive_hello();
  std::optional<std::vector<std::byte>> receive_control(Files* files = nullptr);
  // True once the other end has hung up; waits for it.
  bool is_hung_up();
  void close();
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

// What the listener's side offered at the end of a right handshake.
struct RawOffer {
  std::vector<std::uint64_t> numbers;
  Files files;
};

// Does all that a connecting side does, rightly. Nothing if it was refused.
std::optional<RawOffer> shake_hands(RawSocket& socket, const RawHello& hello = {});

// Where one knocks at who listens at this endpoint: the Unix socket that it has made in this folder, else the address that the
// endpoint names. Throws std::runtime_error if it is neither.
[[nodiscard]] std::string find_door(const std::string& folder, const std::string& endpoint);

// A socket that listens at that door.
class RawListener {
 public:
  explicit RawListener(const std::string& door);
  RawListener(const RawListener&) = delete;
  RawListener& operator=(const RawListener&) = delete;
  ~RawListener();
  // Nothing if nobody comes within patience().
  std::optional<RawSocket> accept();

 private:
  std::string door_;
  int fd_{-1};
};

[[nodiscard]] std::uint32_t load_u32(std::span<const std::byte> bytes, std::size_t at);
[[nodiscard]] std::uint64_t load_u64(std::span<const std::byte> bytes, std::size_t at);

}  // namespace sluice_test
