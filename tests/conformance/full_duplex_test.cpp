// Promise 8: one thread sends while another receives on the same end.
#include <atomic>
#include <thread>

#include "conformance.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(FullDuplex, 8);

TEST_P(FullDuplex, LargeMessagesBothWaysAtOnce) {
  auto pair = meet(PeerDoes::listen);
  const std::uint64_t size = affordable(2 << 20, 0.2);
  const std::uint64_t count = scaled(20, 4);
  note("messages_each_way", count);
  note("size", size);
  const std::string words = " count=" + std::to_string(count) + " size=" + std::to_string(size);
  const auto receiving = pair.peer->start("receive stream=1" + words, "receive");
  const auto sending = pair.peer->start("send stream=2" + words, "send");
  std::thread sender([&] { send(pair.channel, stream({size}, 1), 0, count); });
  receive(pair.channel, stream({size}, 2), 0, count);
  sender.join();
  EXPECT_DONE(pair.peer->finish(receiving));
  EXPECT_DONE(pair.peer->finish(sending));
}

TEST_P(FullDuplex, WithFlushOnBothSidesAndStatisticsFromAThirdThread) {
  auto pair = meet();
  const std::uint64_t count = scaled(500, 50);
  const std::string words = " mixed=3000 count=" + std::to_string(count);
  // One more, which comes after our flush: until then the peer makes calls that can answer it.
  const auto receiving = pair.peer->start("receive stream=1 mixed=3000 count=" + std::to_string(count + 1), "receive");
  const auto sending = pair.peer->start("send stream=2" + words, "send");
  const auto flushing = pair.peer->start("flush deadline=10000", "send");
  std::atomic<bool> done{false};
  std::thread sender([&] {
    for (std::uint64_t number = 0; number < count; ++number) {
      send(pair.channel, stream({0, 3000}, 1), number, 1);
      if (number % 50 == 0) {
        EXPECT_OK(pair.channel.flush(soon()));
      }
    }
    EXPECT_OK(pair.channel.flush(soon()));
  });
  std::thread watcher([&] {
    sluice::Statistics last;
    while (!done) {
      const auto now = pair.channel.statistics();
      EXPECT_GE(now.messages_sent, last.messages_sent);
      EXPECT_GE(now.messages_received, last.messages_received);
      EXPECT_EQ(now.messages_sent, now.known_taken + now.unknown);
      EXPECT_FALSE(pair.channel.ended());
      last = now;
      std::this_thread::sleep_for(1ms);
    }
  });
  receive(pair.channel, stream({0, 3000}, 2), 0, count);
  // The peer's flush is answered from our calls: one of them has to run until it has returned.
  while (!pair.peer->has_answered(flushing)) {
    EXPECT_CODE(pair.channel.receive(20ms), Errc::timed_out);
    if (HasFailure()) break;
  }
  sender.join();
  done = true;
  watcher.join();
  EXPECT_EQ(pair.channel.statistics().known_taken, count);
  send(pair.channel, stream({0, 3000}, 1), count, 1);
  EXPECT_DONE(pair.peer->finish(receiving));
  EXPECT_DONE(pair.peer->finish(sending));
  EXPECT_DONE(pair.peer->finish(flushing));
}

TEST_P(FullDuplex, ManyChannelsOfOneProcessDoNotMix) {
  constexpr int kChannels = 4;
  auto listener = listen_if_possible();
  auto& peer = start_peer();
  std::vector<Channel> channels;
  for (int at = 0; at < kChannels; ++at) {
    channels.push_back(std::move(meet_at(listener, peer, "channel=" + std::to_string(at)).channel));
  }
  std::vector<Peer::Ticket> sending;
  for (int at = 0; at < kChannels; ++at)
    sending.push_back(peer.start("send mixed=20000 count=50 stream=" + std::to_string(at) + " channel=" + std::to_string(at),
                                 "lane" + std::to_string(at)));
  for (int at = 0; at < kChannels; ++at)
    receive(channels[static_cast<std::size_t>(at)], stream({0, 20'000}, static_cast<std::uint64_t>(at)), 0, 50);
  for (const auto ticket : sending) EXPECT_DONE(peer.finish(ticket));
}

}  // namespace
}  // namespace sluice_test
