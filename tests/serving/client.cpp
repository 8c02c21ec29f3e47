// The clients of the serving tests; they end with 0 if all was as it should be.
//   sluice-test-client busy ENDPOINT COUNT...   that many channels to each: asks over all, then hears every answer, and again;
//                                               closes each that is told to (kEnough)
//   sluice-test-client slow ENDPOINT...         a channel to each: sends and never receives, until it is disconnected
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <sluice/sluice.hpp>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "process.hpp"
#include "words.hpp"

namespace sluice_test {
namespace {

constexpr std::chrono::seconds kPatience{60};

bool complain(const std::string& what, const sluice::Error& error) {
  (void)std::fprintf(stderr, "sluice-test-client: %s: %s\n", what.c_str(), describe(error).c_str());
  return false;
}

// Hears the answer to `question`. True: the channel is to be asked again.
bool hear(sluice::Channel& channel, const std::string& question, bool& is_well) {
  const auto answer = channel.receive(kPatience);
  if (!answer) return is_well = complain("receiving", answer.error());
  const auto text = sluice::as_text(answer->bytes());
  if (text == question) return true;
  if (text != kEnough) return is_well = complain("another answer", {});
  if (const auto closed = channel.close(kPatience); !closed) is_well = complain("closing", closed.error());
  return false;
}

int be_busy(std::span<const std::string> words) {
  std::vector<sluice::Channel> channels;
  for (; words.size() >= 2; words = words.subspan(2)) {
    for (int left = std::atoi(words[1].c_str()); left > 0; --left) {
      auto channel = sluice::connect(words[0], kPatience);
      if (!channel) return complain("connecting to " + words[0], channel.error()) ? 0 : 1;
      channels.push_back(*std::move(channel));
    }
  }
  bool is_well = true;
  for (int round = 0; is_well && !channels.empty(); ++round) {
    const std::string question = std::to_string(round);
    for (auto& channel : channels) {
      if (const auto sent = channel.send(sluice::as_bytes(question), kPatience); !sent)
        is_well = complain("sending", sent.error());
    }
    std::erase_if(channels, [&](sluice::Channel& channel) { return is_well && !hear(channel, question, is_well); });
  }
  return is_well ? 0 : 1;
}

bool is_disconnected(const std::string& endpoint) {
  auto channel = sluice::connect(endpoint, kPatience);
  if (!channel) return complain("connecting to " + endpoint, channel.error());
  const std::string text(1000, 'x');
  while (true) {
    const auto sent = channel->send(sluice::as_bytes(text), kPatience);
    if (sent) continue;
    const auto code = sent.error().code;
    return code == sluice::Errc::closed || code == sluice::Errc::peer_died || complain("sending", sent.error());
  }
}

int be_slow(std::span<const std::string> endpoints) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (const auto& endpoint : endpoints) threads.emplace_back([&] { wrong += is_disconnected(endpoint) ? 0 : 1; });
  for (auto& thread : threads) thread.join();
  return wrong;
}

}  // namespace
}  // namespace sluice_test

int main(int count, char** arguments) {
  sluice_test::end_with_parent();
  const std::vector<std::string> words(arguments + 1, arguments + count);
  if (words.empty()) return 2;
  const auto rest = std::span(words).subspan(1);
  return words[0] == "slow" ? sluice_test::be_slow(rest) : sluice_test::be_busy(rest);
}
