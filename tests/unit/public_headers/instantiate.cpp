// Uses what the public headers define, so that templates are instantiated too, as a program in C++20 without exceptions and
// RTTI would. It is compiled, never run.
#include <chrono>
#include <memory>

#include <sluice/sluice.hpp>

template class sluice::Result<int>;
template class sluice::Result<sluice::Channel>;
template class sluice::Result<sluice::Message>;

sluice::Result<std::unique_ptr<int>> use_everything(sluice::Listener& listener);
sluice::Result<std::unique_ptr<int>> use_everything(sluice::Listener& listener) {
  using namespace std::chrono_literals;
  auto accepted = listener.accept(1s);
  if (!accepted) return accepted.error();
  auto channel = sluice::connect(listener.endpoint(), sluice::Deadline::never()).value();
  if (auto sent = channel.send(sluice::as_bytes("text"), 100ms); !sent) return sent.error();
  if (auto sent = channel.send({sluice::as_bytes("a"), sluice::as_bytes("b")}, sluice::Deadline::now()); !sent)
    return sent.error();
  auto message = accepted->receive(0.5s);
  if (!message) return {sluice::Errc::closed, sluice::Step::receive};
  const auto copy = message->copy();
  const sluice::Message moved = *std::move(message);
  return std::make_unique<int>(static_cast<int>(copy.size() + sluice::as_text(moved.bytes()).size()));
}
