// Sending and receiving in the cell's mode.
#include "bench_end.hpp"

#include <span>

namespace tool::bench {

sluice::Result<void> End::send_copied(std::uint64_t sequence) {
  write(room_, sequence);
  return wait([&](sluice::Deadline deadline) { return channel_.send(std::span<const std::byte>(room_), deadline); });
}

sluice::Result<void> End::send_in_place(std::uint64_t sequence) {
  auto loan = wait([&](sluice::Deadline deadline) { return channel_.loan(cell_.size, deadline); });
  if (!loan) return loan.error();
  write(loan->bytes(), sequence);
  return loan->commit();
}

sluice::Result<Order> End::receive_copied(Checker& checker) {
  const auto received = wait([&](sluice::Deadline deadline) { return channel_.receive_into(room_, deadline); });
  if (!received) return received.error();
  const auto message = std::span<const std::byte>(room_).first(received->size);
  const Order order = order_in(message);
  if (order == Order::none) checker.take(message);
  return order;
}

sluice::Result<Order> End::receive_in_place(Checker& checker) {
  const auto message = wait([&](sluice::Deadline deadline) { return channel_.receive(deadline); });
  if (!message) return message.error();
  const Order order = order_in(message->bytes());
  if (order == Order::none) checker.take(message->bytes());
  return order;
}

sluice::Result<void> End::order(Order order) {
  const auto byte = static_cast<std::byte>(order);
  return wait([&](sluice::Deadline deadline) { return channel_.send(std::span(&byte, 1), deadline); });
}

sluice::Result<Order> End::next_order() {
  const auto message = wait([&](sluice::Deadline deadline) { return channel_.receive(deadline); });
  if (!message) return message.error();
  return order_in(message->bytes());
}

sluice::Result<void> End::tell(const Report& report) {
  const auto bytes = std::as_bytes(std::span(&report, 1));
  return wait([&](sluice::Deadline deadline) { return channel_.send(bytes, deadline); });
}

sluice::Result<Report> End::hear() {
  const auto message = wait([&](sluice::Deadline deadline) { return channel_.receive(deadline); });
  if (!message) return message.error();
  Report report;
  if (message->bytes().size() != sizeof report) return {sluice::Errc::protocol_error, sluice::Step::receive};
  std::memcpy(&report, message->bytes().data(), sizeof report);
  return report;
}

sluice::Errc End::wait_for_end(std::chrono::steady_clock::time_point until) {
  while (true) {
    const auto received = channel_.receive(cell_.mode == Mode::sleep ? sluice::Deadline(until) : sluice::Deadline::now());
    if (received) return sluice::Errc::protocol_error;  // nobody was asked for anything
    const sluice::Errc code = received.error().code;
    if (code != sluice::Errc::would_block) return code;
    if (std::chrono::steady_clock::now() >= until) return sluice::Errc::timed_out;
    if (cell_.yields) std::this_thread::yield();
  }
}

}  // namespace tool::bench
