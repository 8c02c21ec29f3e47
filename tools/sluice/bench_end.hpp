// One end of the channel that is measured: how it sends and receives in the cell's mode, and what the two processes say to each
// other beside the messages that count.
//
// This process orders a phase with a message of one byte: `echo`, and each message that follows is answered; `sink`, and they
// are only taken. `end` ends it, and the second process answers with a Report. It takes orders until the channel is closed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/result.hpp>

#include "bench.hpp"
#include "bench_check.hpp"

namespace tool::bench {

enum class Order : std::uint8_t { none, echo = 'e', sink = 's', end = 'x' };

// What the second process tells of a phase; of the same program, so both have the same idea of it.
struct Report {
  std::int64_t process_id{0};
  std::uint64_t taken{0};
  std::uint64_t whole{0};
  std::uint64_t errors{0};
  std::int64_t switches{0};
};

class End {
 public:
  End(sluice::Channel channel, const Cell& cell) : channel_(std::move(channel)), cell_(cell), room_(cell.size) {}

  // Writes the message of that number and sends it.
  sluice::Result<void> send(std::uint64_t sequence) { return cell_.in_place ? send_in_place(sequence) : send_copied(sequence); }
  // Receives a message and hands it to the checker; an order instead is returned.
  sluice::Result<Order> receive(Checker& checker) {
    return cell_.in_place ? receive_in_place(checker) : receive_copied(checker);
  }

  sluice::Result<void> order(Order order);
  sluice::Result<Order> next_order();
  sluice::Result<void> tell(const Report& report);
  sluice::Result<Report> hear();

  // Waits in the cell's mode for the channel's end, though no longer than until then: what it says.
  sluice::Errc wait_for_end(std::chrono::steady_clock::time_point until);

  [[nodiscard]] sluice::Channel& channel() noexcept { return channel_; }

 private:
  // Makes the call in the cell's mode. Nothing bounds a wait here: the second process has an alarm, and its death ends it.
  template <class Call>
  auto wait(Call call) -> decltype(call(sluice::Deadline::now())) {
    if (cell_.mode == Mode::sleep) return call(sluice::Deadline::never());
    while (true) {
      auto tried = call(sluice::Deadline::now());
      if (tried || tried.error().code != sluice::Errc::would_block) return tried;
      if (cell_.yields) std::this_thread::yield();
    }
  }
  void write(std::span<std::byte> message, std::uint64_t sequence) const noexcept {
    write_content(message, sequence, is_whole(sequence, cell_.whole_every));
    if (cell_.corrupt == sequence) message[message.size() / 2] ^= std::byte{1};
  }
  [[nodiscard]] static Order order_in(std::span<const std::byte> bytes) noexcept {
    return bytes.size() == 1 ? Order{std::to_integer<std::uint8_t>(bytes.front())} : Order::none;
  }

  sluice::Result<void> send_copied(std::uint64_t sequence);
  sluice::Result<void> send_in_place(std::uint64_t sequence);
  sluice::Result<Order> receive_copied(Checker& checker);
  sluice::Result<Order> receive_in_place(Checker& checker);

  sluice::Channel channel_;
  const Cell& cell_;
  std::vector<std::byte> room_;
};

}  // namespace tool::bench
