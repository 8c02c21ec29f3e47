// sluice bench-peer: the second process of `sluice bench`, which starts it. It answers, counts and checks until the channel is
// closed; it ends itself if that takes far longer than it was told, and with it the wait of the first one.
#include <memory>

#include "bench.hpp"
#include "bench_end.hpp"
#include "bench_meeting.hpp"
#include "command.hpp"

namespace tool {

namespace {

using bench::Cell;
using bench::Checker;
using bench::End;
using bench::Order;

constexpr double kAlarmSlack = 60;  // seconds, on a busy machine

// Takes messages, and answers each if that was ordered, until the order to end.
sluice::Result<void> serve_phase(End& end, const Cell& cell, bool answers) {
  Checker checker(cell.size, cell.whole_every);
  const ContextSwitches before = context_switches();
  while (true) {
    const auto received = end.receive(checker);
    if (!received) return received.error();
    if (*received == Order::end) break;
    if (*received != Order::none) return {sluice::Errc::protocol_error, sluice::Step::receive};
    if (!answers) continue;
    if (auto sent = end.send(checker.taken() - 1); !sent) return sent;
  }
  const ContextSwitches after = context_switches();
  return end.tell({.process_id = own_process_id(),
                   .taken = checker.taken(),
                   .whole = checker.whole(),
                   .errors = checker.errors(),
                   .switches = after.voluntary + after.involuntary - before.voluntary - before.involuntary});
}

sluice::Result<void> serve(End& end, const Cell& cell) {
  if (auto told = end.tell({.process_id = own_process_id()}); !told) return told;
  while (true) {
    const auto order = end.next_order();
    if (!order) return order.error().code == sluice::Errc::closed ? sluice::Result<void>{} : order.error();
    if (*order != Order::echo && *order != Order::sink) return {sluice::Errc::protocol_error, sluice::Step::receive};
    if (auto served = serve_phase(end, cell, *order == Order::echo); !served) return served;
  }
}

Exit run_peer(const Cell& cell, const std::string& endpoint) {
  end_process_after(cell.seconds * 2 + kAlarmSlack);
  if (cell.processors[0] && !stay_on(*cell.processors[0]))
    return give_up({Exit::failed, "bench-peer: the processor can't be had"});
  auto channel = bench::join(endpoint);
  if (!channel) return give_up(channel.error());
  End end(*std::move(channel), cell);
  if (const auto served = serve(end, cell); !served) return give_up(failure(served.error(), endpoint));
  return Exit::done;
}

}  // namespace

void add_bench_peer(CLI::App& app, Run& run) {
  CLI::App* const command = app.add_subcommand("bench-peer", "The second process of bench");
  command->group("");  // not for people: not in the help
  struct Chosen {
    Cell cell;
    std::string mode;
    std::string endpoint;
  };
  const auto chosen = std::make_shared<Chosen>();
  command->add_option("--size", chosen->cell.size);
  command->add_option("--mode", chosen->mode);
  command->add_option("--whole-every", chosen->cell.whole_every);
  command->add_option("--seconds", chosen->cell.seconds);
  command->add_option("--processor", chosen->cell.processors[0]);
  command->add_flag("--in-place", chosen->cell.in_place);
  command->add_flag("--yields", chosen->cell.yields);
  command->add_option("ENDPOINT", chosen->endpoint)->required();
  command->callback([chosen, &run] {
    chosen->cell.mode = chosen->mode == name(bench::Mode::spin) ? bench::Mode::spin : bench::Mode::sleep;
    run = [chosen] { return run_peer(chosen->cell, chosen->endpoint); };
  });
}

}  // namespace tool
