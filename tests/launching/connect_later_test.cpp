// connect_later(), and pair(): channels that are there at once, over everything that is built in.
#include "launching.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include "links/mechanism.hpp"

namespace sluice_test {
namespace {

using sluice::Channel;
using sluice::Deadline;
using sluice::Errc;
using sluice::Event;
using sluice::Readiness;
using sluice::Want;

class Later : public testing::TestWithParam<std::string> {
 protected:
  Later() {
    std::string name = testing::TempDir() + "sluice-later-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "mkdtemp";
    folder_ = name;
    setenv("SLUICE_RUNTIME_DIR", folder_.c_str(), 1);
    const auto* mechanism = sluice::links::find_mechanism(GetParam());
    endpoint_ = GetParam() + ":" + (GetParam() == "unix" ? folder_ + "/socket" : mechanism->probe_where("later"));
    descriptors_ = descriptors_of(getpid()).size();
  }
  ~Later() override {
    // A helper thread of a link may close its descriptors a moment after it.
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (descriptors_of(getpid()).size() != descriptors_ && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(1ms);
    EXPECT_EQ(descriptors_of(getpid()).size(), descriptors_);
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] sluice::Listener listen() {
    auto listener = sluice::listen(endpoint_).value();
    endpoint_ = listener.endpoint();  // with the real port
    return listener;
  }
  // Waits as an event loop does: for the waitable alone.
  static void wait_until_readable(Channel& channel) {
    pollfd readable{static_cast<int>(channel.waitable().value().native), POLLIN, 0};
    EXPECT_EQ(poll(&readable, 1, static_cast<int>(std::chrono::milliseconds{kPatience}.count())), 1);
  }

  std::string folder_;
  std::string endpoint_;
  std::size_t descriptors_{0};
};

std::vector<std::string> those_that_listen() {
  std::vector<std::string> names;
  for (const auto& row : sluice::links::table()) {
    if (sluice::links::find_mechanism(row.name) != nullptr && row.meet != sluice::links::Meet::inherited)
      names.emplace_back(row.name);
  }
  return names;
}
INSTANTIATE_TEST_SUITE_P(Over, Later, testing::ValuesIn(those_that_listen()), [](const auto& tested) { return tested.param; });

TEST_P(Later, TheCallsOnTheChannelConnectIt) {
  auto listener = listen();
  auto channel = sluice::connect_later(endpoint_);
  ASSERT_DONE(channel);
  EXPECT_EQ(channel->traits().mechanism, GetParam());
  EXPECT_FALSE(channel->peer().user_id);
  EXPECT_CODE(channel->receive(Deadline::now()), Errc::would_block);
  EXPECT_CODE(channel->send(bytes_of("x"), 1ms), Errc::timed_out);
  EXPECT_CODE(channel->flush(Deadline::now()), Errc::would_block);
  EXPECT_CODE(channel->finish(Deadline::now()), Errc::would_block);
  channel->advance();
  EXPECT_FALSE(channel->ended());
  EXPECT_EQ(channel->statistics().messages_sent, 0U);
  std::optional<sluice::Result<Channel>> served;
  std::thread accepting([&] { served.emplace(listener.accept(kPatience)); });
  EXPECT_DONE(channel->send(bytes_of("hello"), kPatience));
  accepting.join();
  ASSERT_DONE(*served);
  EXPECT_EQ(text_of((*served)->receive(kPatience).value()), "hello");
  EXPECT_DONE((*served)->send(bytes_of("and you"), kPatience));
  EXPECT_EQ(text_of(channel->receive(kPatience).value()), "and you");
  std::thread closing([&] { EXPECT_DONE((*served)->close(kPatience)); });
  EXPECT_DONE(channel->close(kPatience));
  closing.join();
}

// One thread, one event loop, both ends: nothing but waitables is waited for.
TEST_P(Later, AnEventLoopConnectsIt) {
  auto listener = listen();
  auto channel = sluice::connect_later(endpoint_).value();
  const auto waitable = channel.waitable();
  ASSERT_DONE(waitable);
  auto set = sluice::WaitSet::create().value();
  constexpr std::uint64_t kListener = 1;
  constexpr std::uint64_t kChannel = 2;
  constexpr std::uint64_t kServed = 3;
  ASSERT_DONE(set.add(listener, kListener));
  ASSERT_DONE(set.add(channel, kChannel, Want::room));
  std::optional<Channel> served;
  std::string got;
  bool sent = false;
  const Deadline deadline = kPatience;
  while (got.empty()) {
    std::array<Event, 4> events;
    const auto count = set.wait(events, deadline);
    ASSERT_DONE(count);
    for (const auto& event : std::span{events}.first(*count)) {
      EXPECT_FALSE(event.ended);
      if (event.key == kListener) {
        served.emplace(listener.accept(Deadline::now()).value());
        ASSERT_DONE(set.add(*served, kServed, Want::message));
      } else if (event.key == kChannel) {
        EXPECT_TRUE(event.room);
        if (!sent) {
          EXPECT_DONE(channel.send(bytes_of("from the loop"), Deadline::now()));
        }
        sent = true;
        ASSERT_DONE(set.change(channel, Want::message));
      } else {
        got = text_of(served->receive(Deadline::now()).value());
      }
    }
  }
  EXPECT_EQ(got, "from the loop");
  EXPECT_EQ(channel.traits().one_process || channel.traits().identity || GetParam() == "tcp", true);
  ASSERT_DONE(set.remove(channel));
  EXPECT_EQ(channel.waitable().value(), *waitable) << "one descriptor for the channel's life";
}

TEST_P(Later, NobodyListensIsTheChannelsEnd) {
  {
    auto listener = listen();  // so that the place is known
  }
  auto channel = sluice::connect_later(endpoint_).value();
  while (channel.arm(Want::message).value() == Readiness::armed) wait_until_readable(channel);
  EXPECT_CODE(channel.receive(kPatience), Errc::not_found);
  EXPECT_CODE(channel.send(bytes_of("x"), kPatience), Errc::not_found) << "and again";
  EXPECT_EQ(channel.ended()->code, Errc::not_found);
  EXPECT_EQ(channel.arm(Want::room).value(), Readiness::ready);
  EXPECT_CODE(channel.close(kPatience), Errc::not_found);
  EXPECT_CODE(channel.receive(kPatience), Errc::not_found);
}

// Whoever waits, at the connection or for a turn behind somebody who does, is told the same.
TEST_P(Later, HowItFailedIsToldToAllWhoWait) {
  std::optional<sluice::Listener> listener{listen()};
  sluice::Options options;
  options.senders = sluice::Senders::many;
  auto channel = sluice::connect_later(endpoint_, options).value();
  (void)channel.receive(Deadline::now());  // as far as it gets without an accept
  std::array<std::optional<sluice::Error>, 3> told;
  std::array<std::thread, 3> waiting;
  waiting[0] = std::thread([&] { told[0] = channel.receive(kPatience).error(); });
  for (std::size_t number = 1; number < waiting.size(); ++number)
    waiting[number] = std::thread([&, number] { told[number] = channel.send(bytes_of("x"), kPatience).error(); });
  listener.reset();
  for (auto& thread : waiting) thread.join();
  const sluice::Error first = told[0].value();
  EXPECT_TRUE(first.code == Errc::peer_died || first.code == Errc::not_found) << sluice::name(first.code);
  for (const auto& error : told) {
    EXPECT_EQ(sluice::name(error->code), sluice::name(first.code));
    EXPECT_EQ(error->step, first.step);
  }
  EXPECT_EQ(channel.ended()->step, first.step);
}

// There is nothing to wait for but time.
TEST_P(Later, WaitsForAListenerThatComesLater) {
  {
    auto listener = listen();
  }
  sluice::Options options;
  options.wait_for_listener = true;
  auto channel = sluice::connect_later(endpoint_, options).value();
  ASSERT_EQ(channel.arm(Want::room).value(), Readiness::armed);
  wait_until_readable(channel);  // to look again
  ASSERT_EQ(channel.arm(Want::room).value(), Readiness::armed);
  auto listener = sluice::listen(endpoint_).value();
  std::thread accepting([&] { EXPECT_DONE(listener.accept(kPatience)); });
  while (channel.arm(Want::room).value() == Readiness::armed) wait_until_readable(channel);
  accepting.join();
}

TEST_P(Later, CloseAndInterruptEndAWaitFromAnotherThread) {
  auto listener = listen();
  auto channel = sluice::connect_later(endpoint_).value();
  for (const bool interrupt : {true, false}) {
    std::thread receiving([&] { EXPECT_CODE(channel.receive(), interrupt ? Errc::interrupted : Errc::closed); });
    std::thread sending([&] { EXPECT_CODE(channel.send(bytes_of("x")), interrupt ? Errc::interrupted : Errc::closed); });
    if (interrupt) {
      channel.interrupt();
    } else {
      EXPECT_DONE(channel.close(kPatience));
    }
    receiving.join();
    sending.join();
  }
  EXPECT_CODE(channel.receive(), Errc::closed);
  EXPECT_EQ(channel.ended()->code, Errc::closed);
  EXPECT_DONE(channel.close());
}

TEST_P(Later, CloseWakesAnEventLoop) {
  auto listener = listen();
  auto channel = sluice::connect_later(endpoint_).value();
  while (channel.arm(Want::message).value() == Readiness::ready) {
  }
  std::thread closing([&] { EXPECT_DONE(channel.close(kPatience)); });
  wait_until_readable(channel);
  closing.join();
  EXPECT_EQ(channel.arm(Want::message).value(), Readiness::ready);
}

// A sender, a receiver and an event loop at the same time: each is connected by whoever comes first.
TEST_P(Later, ManyThreadsConnectIt) {
  auto listener = listen();
  for (int round = 0; round < 10; ++round) {
    auto channel = sluice::connect_later(endpoint_).value();
    std::thread sending([&] { EXPECT_DONE(channel.send(bytes_of("there"), kPatience)); });
    std::thread receiving([&] { EXPECT_EQ(text_of(channel.receive(kPatience).value()), "back"); });
    std::thread looping([&] {
      while (channel.arm(Want::room).value() == Readiness::armed) wait_until_readable(channel);
    });
    auto served = listener.accept(kPatience);
    ASSERT_DONE(served);
    EXPECT_EQ(text_of(served->receive(kPatience).value()), "there");
    EXPECT_DONE(served->send(bytes_of("back"), kPatience));
    sending.join();
    receiving.join();
    looping.join();
  }
}

TEST_P(Later, DroppedWhileItConnectsItLeavesNothing) {
  auto listener = listen();
  for (int round = 0; round < 3; ++round) {
    auto channel = sluice::connect_later(endpoint_).value();
    (void)channel.receive(Deadline::now());
    (void)channel.arm(Want::message);
  }
  EXPECT_CODE(listener.accept(50ms), Errc::timed_out) << "none of them has shaken hands";
}

TEST_P(Later, InAForkedChildItIsTheParents) {
  auto listener = listen();
  auto channel = sluice::connect_later(endpoint_).value();
  (void)channel.receive(Deadline::now());
  const pid_t child = fork();
  if (child == 0) {
    const bool is_refused = !channel.receive(Deadline::now()) &&
                            channel.receive(Deadline::now()).error().code == Errc::misuse &&
                            channel.ended()->code == Errc::misuse;
    {
      const auto destroyed = std::move(channel);
    }
    _exit(is_refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  std::optional<sluice::Result<Channel>> served;  // outlives the send, which its end would refuse
  std::thread accepting([&] { served.emplace(listener.accept(kPatience)); });
  EXPECT_DONE(channel.send(bytes_of("still here"), kPatience));
  accepting.join();
  ASSERT_DONE(*served);
  EXPECT_EQ(text_of((*served)->receive(kPatience).value()), "still here");
}

// ---- pair ----------------------------------------------------------------------------------------------------------------

class Pairs : public testing::TestWithParam<std::string> {};
std::vector<std::string> all_built_in() {
  std::vector<std::string> names;
  for (const auto& row : sluice::links::table())
    if (sluice::links::find_mechanism(row.name) != nullptr) names.emplace_back(row.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Over, Pairs, testing::ValuesIn(all_built_in()), [](const auto& tested) { return tested.param; });

TEST_P(Pairs, BothEndsAreHere) {
  const auto before = descriptors_of(getpid()).size();
  {
    auto pair = sluice::pair(GetParam() + ":");
    ASSERT_DONE(pair);
    EXPECT_TRUE(pair->first.traits().one_process);
    EXPECT_TRUE(pair->second.traits().one_process);
    EXPECT_EQ(pair->first.traits().mechanism, GetParam());
    EXPECT_DONE(pair->first.send(bytes_of("there"), kPatience));
    EXPECT_EQ(text_of(pair->second.receive(kPatience).value()), "there");
    EXPECT_DONE(pair->second.send(bytes_of("back"), kPatience));
    EXPECT_EQ(text_of(pair->first.receive(kPatience).value()), "back");
    std::thread closing([&] { EXPECT_DONE(pair->second.close(kPatience)); });
    EXPECT_DONE(pair->first.close(kPatience));
    closing.join();
  }
  EXPECT_EQ(descriptors_of(getpid()).size(), before);
}

// Over each mechanism the same words, whatever the system calls it.
TEST_P(Pairs, ATryInVainSaysNothingOfTheSystem) {
  auto pair = sluice::pair(GetParam() + ":");
  ASSERT_DONE(pair);
  const auto expect_vain = [](const sluice::Error& error, sluice::Step step) {
    EXPECT_EQ(error.code, Errc::would_block);
    EXPECT_EQ(error.step, step);
    EXPECT_EQ(error.os_code, 0);
  };
  std::array<std::byte, 8> room{};
  std::array<sluice::Message, 2> messages;
  expect_vain(pair->first.receive(Deadline::now()).error(), sluice::Step::receive);
  expect_vain(pair->first.receive_into(room, Deadline::now()).error(), sluice::Step::receive);
  expect_vain(pair->first.receive_many(messages, Deadline::now()).error(), sluice::Step::receive);
  const std::string much(60'000, 'x');
  sluice::Result<void> sent;
  for (int i = 0; i < 1000 && sent; ++i) sent = pair->first.send(bytes_of(much), Deadline::now());
  ASSERT_FALSE(sent);
  expect_vain(sent.error(), sluice::Step::send);
}

TEST_P(Pairs, TakesOptions) {
  sluice::Options options;
  options.max_message = 100;
  auto pair = sluice::pair(GetParam() + ":", options);
  ASSERT_DONE(pair);
  EXPECT_CODE(pair->first.send(bytes_of(std::string(101, 'x')), kPatience), Errc::too_large);
  EXPECT_CODE(sluice::pair(GetParam() + ":?no_such=1"), Errc::invalid_endpoint);
  EXPECT_CODE(sluice::pair("no_such:"), Errc::invalid_endpoint);
}

}  // namespace
}  // namespace sluice_test
