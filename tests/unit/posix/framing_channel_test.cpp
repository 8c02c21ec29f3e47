// Channels with a foreign framing: against a bare socket that knows nothing of Sluice, over unix and tcp, and the session's
// rules over inproc streams, whole, chopped and through an outbox.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>
#include <sluice/sluice.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "links/mechanism.hpp"
#include "unit/connected_ends.hpp"
#include "unit/os_support.hpp"

namespace {

using namespace std::chrono_literals;
using namespace sluice;
using sluice_test::kPatience;

Errc code(const auto& result) { return result ? Errc{} : result.error().code; }
std::string text_of(const Result<Message>& message) {
  return message ? std::string(as_text(message->bytes())) : "<" + std::string(name(message.error().code)) + ">";
}

// A program that has sockets and nothing else.
class Stranger {
 public:
  explicit Stranger(int socket) noexcept : socket_(socket) {}
  Stranger(Stranger&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  Stranger& operator=(Stranger&&) = delete;
  ~Stranger() { close(); }

  void say(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      ASSERT_GT(sent, 0);
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // So many bytes, or all up to the end.
  [[nodiscard]] std::string hear(std::size_t count = SIZE_MAX) const {
    std::string heard;
    std::array<char, 4096> room{};
    while (heard.size() < count) {
      pollfd one{.fd = socket_, .events = POLLIN, .revents = 0};
      if (::poll(&one, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) != 1) return heard + "<nothing>";
      const ssize_t got = ::recv(socket_, room.data(), std::min(room.size(), count - heard.size()), 0);
      if (got < 0) return heard + "<" + std::strerror(errno) + ">";
      if (got == 0) break;
      heard.append(room.data(), static_cast<std::size_t>(got));
    }
    return heard;
  }
  void finish() const { ASSERT_EQ(::shutdown(socket_, SHUT_WR), 0); }
  void reset() {  // SO_LINGER with no time: RST (tcp(7), socket(7))
    const linger now{.l_onoff = 1, .l_linger = 0};
    ASSERT_EQ(::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close();
  }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

 private:
  int socket_;
};

// How strangers meet us: by a socket file, or at a port of the loopback.
class Meet : public sluice::test::OsTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (links::find_mechanism(GetParam()) == nullptr) GTEST_SKIP() << GetParam() << " is not built in";
  }
  [[nodiscard]] bool is_unix() const { return std::string_view(GetParam()) == "unix"; }
  [[nodiscard]] std::string endpoint(const std::string& framing) const {
    return (is_unix() ? "unix:" + path("meet") : "tcp:127.0.0.1:0") + "?framing=" + framing;
  }
  // A plain connection to where that listener is.
  [[nodiscard]] Stranger connect_to(const Listener& listener) const {
    const int socket = ::socket(is_unix() ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (is_unix()) {
      EXPECT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&file_), sizeof file_), 0) << std::strerror(errno);
    } else {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      const std::string& where = listener.endpoint();
      to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1))));
      EXPECT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0) << std::strerror(errno);
    }
    return Stranger{socket};
  }
  struct Both {
    Stranger stranger;
    Channel channel;
  };
  [[nodiscard]] Both meet(const std::string& framing, const Options& options = {}) const {
    auto listener = listen(endpoint(framing), options).value();
    Stranger stranger = connect_to(listener);
    return {std::move(stranger), listener.accept(kPatience).value()};
  }

  // A plain listener, and the endpoint at which it is.
  struct Plain {
    int socket;
    std::string endpoint;

    [[nodiscard]] Stranger accept() const { return Stranger{::accept(socket, nullptr, nullptr)}; }
    ~Plain() { ::close(socket); }
  };
  [[nodiscard]] Plain listen_plainly(const std::string& framing) const {
    const int socket = ::socket(is_unix() ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    const auto* address = is_unix() ? reinterpret_cast<const sockaddr*>(&file_) : reinterpret_cast<const sockaddr*>(&at);
    EXPECT_EQ(::bind(socket, address, is_unix() ? sizeof file_ : sizeof at), 0) << std::strerror(errno);
    EXPECT_EQ(::listen(socket, 1), 0);
    if (is_unix()) return {socket, endpoint(framing)};
    EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size), 0);
    return {socket, "tcp:127.0.0.1:" + std::to_string(ntohs(at.sin_port)) + "?framing=" + framing};
  }

 private:
  sockaddr_un make_file() const {
    sockaddr_un file{};
    file.sun_family = AF_UNIX;
    path("meet").copy(file.sun_path, sizeof file.sun_path - 1);
    return file;
  }
  sockaddr_un file_ = make_file();
};

using MeetsStrangers = Meet;
INSTANTIATE_TEST_SUITE_P(Framing, MeetsStrangers, testing::Values("unix", "tcp"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(MeetsStrangers, WhoSpeakLines) {
  auto [stranger, channel] = meet("line");
  EXPECT_EQ(channel.traits().framing, "line");
  EXPECT_FALSE(channel.traits().handles);
  EXPECT_EQ(channel.peer().user_id, static_cast<std::int64_t>(::geteuid())) << "the system vouches";
  stranger.say("hello\nwor");
  EXPECT_EQ(text_of(channel.receive(kPatience)), "hello");
  EXPECT_EQ(code(channel.receive(Deadline::now())), Errc::would_block);
  stranger.say("ld\n");
  EXPECT_EQ(text_of(channel.receive(kPatience)), "world");
  EXPECT_TRUE(channel.send({as_bytes("in "), as_bytes("parts")}, kPatience));
  EXPECT_TRUE(channel.send(as_bytes(""), kPatience));
  EXPECT_EQ(stranger.hear(10), "in parts\n\n");
  EXPECT_EQ(code(channel.send(as_bytes("a\nb"), kPatience)), Errc::misuse);
  EXPECT_TRUE(channel.send(as_bytes("c"), kPatience));
  EXPECT_TRUE(channel.close(kPatience));
  EXPECT_EQ(stranger.hear(), "c\n");
}

TEST_P(MeetsStrangers, WhoListen) {
  for (const std::string framing : {"line", "u16be"}) {
    auto plain = listen_plainly(framing);
    std::optional<Stranger> stranger;
    std::thread accepting([&] { stranger.emplace(plain.accept()); });
    auto channel = connect(plain.endpoint, kPatience).value();
    accepting.join();
    EXPECT_EQ(channel.peer().user_id, static_cast<std::int64_t>(::geteuid()));
    EXPECT_TRUE(channel.send(as_bytes("hi"), kPatience));
    EXPECT_TRUE(channel.finish(kPatience));
    EXPECT_EQ(stranger->hear(), framing == "line" ? "hi\n" : std::string("\0\x02hi", 4));
    stranger->say(framing == "line" ? "ho\n" : std::string_view("\0\x02ho", 4));
    stranger->close();
    EXPECT_EQ(text_of(channel.receive(kPatience)), "ho");
    EXPECT_EQ(text_of(channel.receive(kPatience)), "<closed>");
    EXPECT_TRUE(channel.close(kPatience));
    if (is_unix()) ::unlink(path("meet").c_str());
  }
}

TEST_P(MeetsStrangers, WhoEndAtABoundaryOrInsideAMessage) {
  {
    auto [stranger, channel] = meet("u32le");
    stranger.say(std::string_view("\x02\0\0\0hi\x05\0\0\0hel", 13));
    stranger.close();
    EXPECT_EQ(text_of(channel.receive(kPatience)), "hi");
    EXPECT_EQ(text_of(channel.receive(kPatience)), "<peer_died>");
    EXPECT_EQ(code(channel.send(as_bytes("x"), kPatience)), Errc::peer_died);
  }
  auto [stranger, channel] = meet("line");
  stranger.say("one\ntwo");
  stranger.close();
  EXPECT_EQ(text_of(channel.receive(kPatience)), "one");
  EXPECT_EQ(text_of(channel.receive(kPatience)), "two");
  EXPECT_EQ(text_of(channel.receive(kPatience)), "<closed>");
  EXPECT_EQ(text_of(channel.receive(kPatience)), "<closed>");
  EXPECT_EQ(channel.ended()->code, Errc::closed);
}

TEST_P(MeetsStrangers, WhoHalfCloseAndGoOnListening) {
  auto [stranger, channel] = meet("line");
  stranger.say("question\n");
  stranger.finish();
  EXPECT_EQ(text_of(channel.receive(kPatience)), "question");
  EXPECT_EQ(text_of(channel.receive(kPatience)), "<closed>");
  EXPECT_TRUE(channel.send(as_bytes("answer"), kPatience));
  EXPECT_EQ(code(channel.flush(kPatience)), Errc::not_supported);
  EXPECT_TRUE(channel.finish(kPatience));
  EXPECT_EQ(code(channel.send(as_bytes("more"), kPatience)), Errc::misuse);
  EXPECT_EQ(stranger.hear(), "answer\n");
  const auto statistics = channel.statistics();
  EXPECT_EQ(statistics.messages_sent, 1U);
  EXPECT_EQ(statistics.known_taken, 0U);
  EXPECT_EQ(statistics.unknown, 1U);
}

// They have said all they had to say, orderly: what we send after that finds nobody.
TEST_P(MeetsStrangers, WhoHaveGone) {
  auto [stranger, channel] = meet("line");
  stranger.say("bye\n");
  stranger.close();
  Result<void> sent;
  const auto until = Deadline(kPatience);
  while (sent && !until.has_passed()) sent = channel.send(as_bytes("still there?"), 100ms);
  EXPECT_EQ(code(sent), Errc::closed);
  EXPECT_EQ(text_of(channel.receive(kPatience)), "bye");
  EXPECT_EQ(text_of(channel.receive(kPatience)), "<closed>");
}

TEST_P(MeetsStrangers, WhoReset) {
  auto [stranger, channel] = meet("line");
  stranger.say("one\n");
  EXPECT_TRUE(channel.send(as_bytes("unread"), kPatience));
  EXPECT_EQ(text_of(channel.receive(kPatience)), "one");
  stranger.reset();  // over unix: closes with something unread
  EXPECT_EQ(text_of(channel.receive(kPatience)), "<peer_died>");
}

TEST_P(MeetsStrangers, WhoAreSlowToRead) {
  auto [stranger, channel] = meet("u32be");
  const std::string large(16 << 20, 'x');
  // Accepted with its first byte: the rest is the tail, and goes with the calls that follow.
  EXPECT_TRUE(channel.send(as_bytes(large), 20ms));
  EXPECT_EQ(code(channel.send(as_bytes("next"), 20ms)), Errc::timed_out);
  std::string heard;
  std::thread hearing([&] { heard = stranger.hear(); });
  EXPECT_TRUE(channel.send(as_bytes("last"), kPatience));
  EXPECT_TRUE(channel.close(kPatience));
  hearing.join();
  EXPECT_EQ(heard.size(), 4 + large.size() + 4 + 4);
  EXPECT_EQ(heard.substr(heard.size() - 8), std::string_view("\0\0\0\4last", 8));
}

TEST_P(MeetsStrangers, WhoseTailIsLostWithThem) {
  auto [stranger, channel] = meet("u32be");
  EXPECT_TRUE(channel.send(as_bytes(std::string(16 << 20, 'x')), 20ms));
  stranger.reset();
  EXPECT_EQ(text_of(channel.receive(kPatience)), "<peer_died>");
  EXPECT_EQ(code(channel.close(kPatience)), Errc::peer_died);
}

TEST_P(MeetsStrangers, WhoAnnounceTooMuch) {
  Options options;
  options.max_message = 100;
  auto [stranger, channel] = meet("u32be", options);
  EXPECT_EQ(code(channel.send(as_bytes(std::string(101, 'x')), kPatience)), Errc::too_large);
  stranger.say(std::string_view("\0\0\0\x65", 4));
  EXPECT_EQ(text_of(channel.receive(kPatience)), "<protocol_error>");
}

TEST_P(MeetsStrangers, InAnEventLoop) {
  auto [stranger, channel] = meet("line");
  auto set = WaitSet::create().value();
  std::array<Event, 4> events;
  EXPECT_TRUE(set.add(channel, 7, Want::message));
  EXPECT_EQ(code(set.wait(events, 10ms)), Errc::timed_out);
  stranger.say("one\n");
  ASSERT_EQ(set.wait(events, kPatience).value(), 1U);
  EXPECT_TRUE(events[0].message);
  EXPECT_EQ(text_of(channel.receive(Deadline::now())), "one");
  EXPECT_EQ(code(set.wait(events, 10ms)), Errc::timed_out);
  // Half-closed: told to those who want messages; who wants room is told of that, and idles when there is nothing to be wanted.
  stranger.finish();
  ASSERT_EQ(set.wait(events, kPatience).value(), 1U);
  EXPECT_TRUE(events[0].ended);
  EXPECT_TRUE(set.change(channel, Want::room));
  ASSERT_EQ(set.wait(events, kPatience).value(), 1U);
  EXPECT_TRUE(events[0].room);
  EXPECT_FALSE(events[0].ended);
}

TEST_P(MeetsStrangers, AnUnknownFramingIsRefused) {
  const auto listener = listen(endpoint("lines"));
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, Errc::invalid_endpoint);
  EXPECT_NE(describe(listener.error(), endpoint("lines")).find("'framing=lines'"), std::string::npos);
}

TEST(FramingChannel, IsForStreamsAlone) {
  for (const std::string_view endpoint : {"mq:/framing-test?framing=raw", "shm:framing-test?framing=line"}) {
    if (links::find_mechanism(endpoint.substr(0, endpoint.find(':'))) == nullptr) continue;
    EXPECT_EQ(code(listen(endpoint)), Errc::not_supported);
    EXPECT_EQ(code(connect(endpoint, Deadline::now())), Errc::not_supported);
    EXPECT_NE(describe(connect(endpoint, Deadline::now()).error(), endpoint).find("stream"), std::string::npos);
  }
}

// ---- both ends ours ------------------------------------------------------------------------------------------------------

class FramingChannel : public sluice_test::OverShapes {
 protected:
  [[nodiscard]] static auto ends(const std::string& framing) {
    return sluice_test::connect_ends(std::string(GetParam()) + "&framing=" + framing);
  }
};
INSTANTIATE_TEST_SUITE_P(Inproc, FramingChannel,
                         testing::Values("?link=stream", "?link=stream&chop=1", "?link=stream&outbox=4096"),
                         sluice_test::name_of_shape);

TEST_P(FramingChannel, CarriesMessagesBothWaysToTheEnd) {
  for (const std::string framing : {"line", "nul", "u16be", "u16le", "u32be", "u32le"}) {
    auto both = ends(framing);
    std::vector<std::string> heard;
    std::thread answering([&] {
      while (auto message = both.second.receive(kPatience)) {
        heard.emplace_back(as_text(message->bytes()));
        EXPECT_TRUE(both.second.send(message->bytes(), kPatience));
      }
      EXPECT_EQ(both.second.ended()->code, Errc::closed);
      EXPECT_TRUE(both.second.finish(kPatience));
    });
    const std::vector<std::string> said{"one", "", "three", std::string(9000, 'x'), "five"};
    std::vector<std::string> back;
    for (const auto& text : said) {
      EXPECT_TRUE(both.first.send(as_bytes(text), kPatience));
      back.push_back(text_of(both.first.receive(kPatience)));
    }
    EXPECT_TRUE(both.first.finish(kPatience));
    EXPECT_EQ(text_of(both.first.receive(kPatience)), "<closed>");
    answering.join();
    EXPECT_EQ(heard, said) << framing;
    EXPECT_EQ(back, said) << framing;
    EXPECT_TRUE(both.first.close(kPatience));
    EXPECT_TRUE(both.second.close(kPatience));
  }
}

TEST_P(FramingChannel, ASendThatTimesOutHasSentNothing) {
  auto both = ends("u32le");
  std::uint64_t accepted = 0;
  const std::string frame(1000, 'f');
  while (both.first.send(as_bytes(frame), accepted == 0 ? 10ms : 1ms)) ++accepted;
  std::thread closing([&] { EXPECT_TRUE(both.first.close(kPatience)); });
  std::uint64_t received = 0;
  while (auto message = both.second.receive(kPatience)) {
    EXPECT_EQ(as_text(message->bytes()), frame);
    ++received;
  }
  closing.join();
  EXPECT_EQ(both.second.ended()->code, Errc::closed);
  EXPECT_EQ(received, accepted);
}

TEST_P(FramingChannel, AnEndThatIsDroppedWithItsTailIsADeath) {
  auto both = ends("u32le");
  {
    Channel dropped = std::move(both.first);
    EXPECT_TRUE(dropped.send(as_bytes(std::string(1 << 20, 'x')), 10ms));  // more than the link holds
  }
  EXPECT_EQ(text_of(both.second.receive(kPatience)), "<peer_died>");
}

TEST_P(FramingChannel, ACloseFromAnotherThreadWakesWhoWaits) {
  auto both = ends("nul");
  std::thread waiting([&] { EXPECT_EQ(text_of(both.first.receive(kPatience)), "<closed>"); });
  EXPECT_TRUE(both.first.close(kPatience));
  waiting.join();
  EXPECT_EQ(text_of(both.second.receive(kPatience)), "<closed>");
}

}  // namespace
