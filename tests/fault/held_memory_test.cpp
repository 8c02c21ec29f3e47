// Promise 6: a peer that holds gigabytes dies slowly, for the kernel gives its memory back first. The 100 ms count from the
// moment at which the kernel has released what it held.
#include "death.hpp"

namespace sluice_test {
namespace {

class KilledWithMemory : public DeathTest {};
INSTANTIATE_TEST_SUITE_P(Promise6, KilledWithMemory, testing::ValuesIn(subjects()), label_of);

TEST_P(KilledWithMemory, IsNoticedSoonAfterTheRelease) {
  if (answered()) return;
  constexpr std::uint64_t kGibibyte = std::uint64_t{1} << 30;
  // A quarter of what is free: another test may do the same at this moment.
  const std::uint64_t size =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(2 * kGibibyte * std::min(scale(), 1.0)), available_memory() / 4);
  auto pair = meet();
  ASSERT_DONE(pair.peer->call("hold-memory bytes=" + std::to_string(size)));
  EXPECT_DONE(pair.peer->call("send size=1000 count=3"));
  std::optional<Clock::time_point> released;
  std::thread watcher([&] { released = wait_for_end(pair.peer->process().pidfd(), patience()); });
  const auto killed = Clock::now();
  pair.peer->kill();
  receive(pair.channel, stream({1000}), 0, 3);
  EXPECT_CODE(pair.channel.receive(soon()), Errc::peer_died);
  const auto noticed = Clock::now();
  watcher.join();
  ASSERT_TRUE(released);
  const auto milliseconds_of = [](auto duration) { return std::chrono::duration_cast<milliseconds>(duration).count(); };
  note("held_mebibytes", size >> 20);
  note("released_after_ms", std::to_string(milliseconds_of(*released - killed)));
  note("noticed_after_release_ms", std::to_string(milliseconds_of(noticed - *released)));
  // Generous: two cores may be busy. How soon it is when they aren't, `sluice bench` and the soak's record tell.
  EXPECT_LT(noticed - *released, 2s);
}

}  // namespace
}  // namespace sluice_test
