// Options::trace: one line for each event, to whoever asked for it. SLUICE_TRACE is tested with the tool, for it is read once.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <mutex>
#include <regex>
#include <sluice/sluice.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/trace.hpp"
#include "links/mechanism.hpp"
#include "unit/connected_ends.hpp"
#include "unit/os_support.hpp"

namespace {

using namespace sluice;
using sluice_test::kPatience;

class Lines {
 public:
  [[nodiscard]] Options options() {
    Options options;
    options.trace = [this](std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
    };
    return options;
  }
  // The events, without process and time; each line has the form that is promised.
  [[nodiscard]] std::vector<std::string> events() const {
    const std::regex form("sluice ([0-9]+) ([0-9]+\\.[0-9]{3}) ([a-z-]+) (.*)");
    const std::lock_guard lock(mutex_);
    std::vector<std::string> events;
    for (const auto& line : lines_) {
      std::smatch parts;
      EXPECT_TRUE(std::regex_match(line, parts, form)) << line;
      EXPECT_EQ(parts[1], std::to_string(::getpid()));
      events.push_back(parts[3].str() + " " + parts[4].str());
    }
    return events;
  }
  [[nodiscard]] std::string joined() const {
    std::string all;
    for (const auto& event : events()) all += event + "\n";
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

class Trace : public testing::Test {
 protected:
  void SetUp() override {
    if (links::find_mechanism("inproc") == nullptr) GTEST_SKIP() << "inproc is not built in";
  }
};

TEST_F(Trace, TellsTheLifeOfAChannelFromBothEnds) {
  Lines server;
  Lines client;
  const std::string endpoint = "inproc:traced?link=stream";
  {
    auto listener = listen(endpoint, server.options()).value();
    std::optional<Channel> first;
    std::thread connecting([&] { first.emplace(connect(endpoint, kPatience, client.options()).value()); });
    auto second = listener.accept(kPatience).value();
    connecting.join();
    EXPECT_TRUE(first->send(as_bytes("hi"), kPatience));
    std::thread receiving([&] {
      while (second.receive(kPatience)) {
      }
    });
    EXPECT_TRUE(first->close(kPatience));
    receiving.join();
    EXPECT_TRUE(second.close(kPatience));
  }
  const std::string pid = std::to_string(::getpid());
  const std::string uid = std::to_string(::geteuid());
  const std::string connected = "connected " + endpoint + ": inproc, stream, framing sluice, process " + pid + " of user " +
                                uid + ", messages up to 67108864 bytes";
  EXPECT_EQ(client.events(), (std::vector<std::string>{"connecting " + endpoint + ": inproc", connected,
                                                       "closed " + endpoint + ": this end was closed"}));
  const auto events = server.events();
  ASSERT_EQ(events.size(), 5U) << server.joined();
  EXPECT_EQ(events[0], "listening " + endpoint + ": at traced");
  EXPECT_EQ(events[1], connected);
  EXPECT_EQ(events[2].substr(0, events[2].find(':', 15)), "ended " + endpoint) << events[2];
  EXPECT_NE(events[2].find("everything it sent was received"), std::string::npos) << events[2];
  EXPECT_EQ(events[3], "closed " + endpoint + ": this end was closed");
  EXPECT_EQ(events[4], "closed " + endpoint + ": the listener was closed");
}

TEST_F(Trace, SaysWhyConnectingFailed) {
  Lines lines;
  EXPECT_FALSE(connect("inproc:nobody-is-here", kPatience, lines.options()));
  EXPECT_NE(lines.joined().find("failed inproc:nobody-is-here: connecting: nobody listens there"), std::string::npos)
      << lines.joined();
}

// What a caller took from who knows where can't begin a line of its own, nor move a terminal's cursor.
TEST_F(Trace, IsOneLineWhateverTheEndpointHolds) {
  Lines lines;
  EXPECT_FALSE(connect("inproc:a\nsluice 1 1.000 connected b\x1B[2J\xC2\x9B", kPatience, lines.options()));
  const auto events = lines.events();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0], "connecting inproc:a\\x0Asluice 1 1.000 connected b\\x1B[2J\xC2\\x9B: inproc");
}

TEST_F(Trace, WhatACallbackThrowsConcernsNobody) {
  Options options;
  options.trace = [](std::string_view) { throw std::runtime_error("no room"); };
  auto listener = listen("inproc:throwing", options);
  EXPECT_TRUE(listener);
}

TEST_F(Trace, OffPutsNothingIntoWords) {
  const core::Trace off;
  bool was_asked = false;
  off.note("event", [&] {
    was_asked = true;
    return std::string();
  });
  EXPECT_FALSE(was_asked);
}

class TraceOfStrangers : public sluice::test::OsTest {};

TEST_F(TraceOfStrangers, SaysWhoWasRefused) {
  if (links::find_mechanism("unix") == nullptr) GTEST_SKIP() << "unix is not built in";
  Lines lines;
  auto listener = listen("unix:" + path("meet"), lines.options()).value();
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  path("meet").copy(to.sun_path, sizeof to.sun_path - 1);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  const std::string garbage(64, 'x');
  ASSERT_EQ(::send(socket, garbage.data(), garbage.size(), MSG_NOSIGNAL), 64);
  EXPECT_FALSE(listener.accept(std::chrono::milliseconds{20}));
  ::close(socket);
  EXPECT_NE(
      lines.joined().find("refused unix:" + path("meet") + ": shaking hands: the other side doesn't speak Sluice's protocol"),
      std::string::npos)
      << lines.joined();
}

}  // namespace
