// adopt() and adopt_listener(): sockets and pipes that others have made.
#include "launching.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>

namespace sluice_test {
namespace {

using sluice::Channel;
using sluice::Deadline;
using sluice::Errc;
using sluice::Handle;

class Adopt : public testing::Test {
 protected:
  Adopt() {
    std::string name = testing::TempDir() + "sluice-adopt-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "mkdtemp";
    folder_ = name;
    descriptors_ = descriptors_of(getpid()).size();
  }
  ~Adopt() override {
    EXPECT_EQ(descriptors_of(getpid()).size(), descriptors_);
    std::filesystem::remove_all(folder_);
  }

  static std::pair<Handle, Handle> sockets(int type = SOCK_STREAM) {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()), 0);
    return {Handle{ends[0]}, Handle{ends[1]}};
  }
  // What a launcher does: bound, listening, blocking.
  [[nodiscard]] Handle listening_at(const std::string& path) const {
    Handle socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(bind(native(socket), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(native(socket), 8), 0);
    return socket;
  }
  static Handle listening_on_loopback(std::string& endpoint) {
    Handle socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(native(socket), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(native(socket), 8), 0);
    EXPECT_EQ(getsockname(native(socket), reinterpret_cast<sockaddr*>(&address), &size), 0);
    endpoint = "tcp:127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    return socket;
  }
  static int native(const Handle& handle) { return static_cast<int>(handle.native()); }

  std::string folder_;
  std::size_t descriptors_{0};
};

void expect_to_talk(Channel& one, Channel& other) {
  EXPECT_DONE(one.send(bytes_of("there"), kPatience));
  const auto there = other.receive(kPatience);
  ASSERT_DONE(there);
  EXPECT_EQ(text_of(*there), "there");
  EXPECT_DONE(other.send(bytes_of("and back"), kPatience));
  const auto back = one.receive(kPatience);
  ASSERT_DONE(back);
  EXPECT_EQ(text_of(*back), "and back");
}

// Neither knows which part it plays.
TEST_F(Adopt, BothEndsOfASocketPair) {
  NEEDS("unix");
  for (int round = 0; round < 8; ++round) {  // whoever has the larger id
    auto [left, right] = sockets();
    std::optional<sluice::Result<Channel>> other;
    std::thread adopting([&] { other.emplace(sluice::adopt(std::move(right), "unix:", kPatience)); });
    auto channel = sluice::adopt(std::move(left), "unix:", kPatience);
    adopting.join();
    ASSERT_DONE(channel);
    ASSERT_DONE(*other);
    EXPECT_EQ(channel->peer().process_id, getpid()) << "who has made the pair";
    expect_to_talk(*channel, **other);
    std::thread closing([&] { EXPECT_DONE((*other)->close(kPatience)); });
    EXPECT_DONE(channel->close(kPatience));
    closing.join();
  }
}

TEST_F(Adopt, BothEndsOfTwoPipes) {
  NEEDS("pipe");
  std::array<int, 2> there{};
  std::array<int, 2> back{};
  ASSERT_EQ(pipe2(there.data(), O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(back.data(), O_CLOEXEC), 0);
  std::array<Handle, 2> left{Handle{back[0]}, Handle{there[1]}};
  std::array<Handle, 2> right{Handle{there[0]}, Handle{back[1]}};
  std::optional<sluice::Result<Channel>> other;
  std::thread adopting([&] { other.emplace(sluice::adopt(right, "pipe:", kPatience)); });
  auto channel = sluice::adopt(left, "pipe:", kPatience);
  adopting.join();
  ASSERT_DONE(channel);
  ASSERT_DONE(*other);
  expect_to_talk(*channel, **other);
}

// What others hold of the same open files, they read and write as before.
TEST_F(Adopt, WhoSharesAnEndFindsItsModesUnchanged) {
  NEEDS("pipe", "unix");
  std::array<int, 2> there{};
  std::array<int, 2> back{};
  ASSERT_EQ(pipe2(there.data(), O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(back.data(), O_CLOEXEC), 0);
  std::array<Handle, 2> ends{Handle{back[0]}, Handle{there[1]}};
  const std::array<Handle, 2> others{Handle{there[0]}, Handle{back[1]}};
  auto [socket, its_peer] = sockets();
  const std::array<Handle, 3> shared{ends[0].duplicate().value(), ends[1].duplicate().value(), socket.duplicate().value()};
  auto over_pipes = sluice::adopt(ends, "pipe:?framing=line", kPatience);
  auto over_socket = sluice::adopt(std::move(socket), "unix:?framing=line", kPatience);
  ASSERT_DONE(over_pipes);
  ASSERT_DONE(over_socket);
  for (const auto& handle : shared) EXPECT_EQ(fcntl(native(handle), F_GETFL) & O_NONBLOCK, 0);

  EXPECT_CODE(over_pipes->receive(Deadline::now()), Errc::would_block);
  EXPECT_CODE(over_socket->receive(Deadline::now()), Errc::would_block);
  EXPECT_EQ(write(native(others[1]), "x\n", 2), 2);
  EXPECT_EQ(write(native(its_peer), "y\n", 2), 2);
  EXPECT_EQ(text_of(over_pipes->receive(kPatience).value()), "x");
  EXPECT_EQ(text_of(over_socket->receive(kPatience).value()), "y");
  const std::string large(std::size_t{64} << 10, 'z');  // with its end more than a pipe holds
  EXPECT_DONE(over_pipes->send(bytes_of(large), Deadline::now())) << "accepted, and the rest is kept";
  EXPECT_CODE(over_pipes->send(bytes_of(large), Deadline::now()), Errc::would_block);
}

// An accepted connection, whose other end is an ordinary connect(); and a connected one, at whose other end somebody accepts.
TEST_F(Adopt, OneEndOfAConnectionOfTheMechanismsOwn) {
  NEEDS("unix", "tcp");
  const std::string path = folder_ + "/socket";
  const Handle listening = listening_at(path);
  std::optional<sluice::Result<Channel>> other;
  std::thread connecting([&] { other.emplace(sluice::connect("unix:" + path, kPatience)); });
  Handle accepted{accept4(native(listening), nullptr, nullptr, SOCK_CLOEXEC)};
  auto channel = sluice::adopt(std::move(accepted), "unix:", kPatience);
  connecting.join();
  ASSERT_DONE(channel);
  ASSERT_DONE(*other);
  expect_to_talk(*channel, **other);

  std::string endpoint;
  auto listener = sluice::listen("tcp:127.0.0.1:0");
  ASSERT_DONE(listener);
  Handle connected{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string& where = listener->endpoint();
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1))));
  ASSERT_EQ(::connect(native(connected), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  std::optional<sluice::Result<Channel>> served;
  std::thread accepting([&] { served.emplace(listener->accept(kPatience)); });
  auto adopted = sluice::adopt(std::move(connected), "tcp:", kPatience);
  accepting.join();
  ASSERT_DONE(adopted);
  ASSERT_DONE(*served);
  EXPECT_EQ(adopted->peer().user_id, static_cast<std::int64_t>(getuid()));
  expect_to_talk(*adopted, **served);
}

TEST_F(Adopt, SocketsThatListenAlready) {
  NEEDS("unix", "tcp");
  const std::string path = folder_ + "/activated";
  std::string loopback;
  std::array<std::pair<std::string, Handle>, 2> sockets{std::pair{"unix:" + path, listening_at(path)},
                                                        std::pair{std::string{}, listening_on_loopback(loopback)}};
  sockets[1].first = loopback;
  for (auto& [endpoint, socket] : sockets) {
    const Handle shared = socket.duplicate().value();
    auto listener = sluice::adopt_listener(std::move(socket), endpoint);
    ASSERT_DONE(listener);
    EXPECT_EQ(listener->endpoint(), endpoint);
    EXPECT_CODE(listener->accept(Deadline::now()), Errc::would_block) << "it has become non-blocking";
    fcntl(native(shared), F_SETFL, 0);
    EXPECT_CODE(listener->accept(Deadline::now()), Errc::would_block) << "whoever shares it has taken that back";
    std::optional<sluice::Result<Channel>> other;
    std::thread connecting([&] { other.emplace(sluice::connect(endpoint, kPatience)); });
    auto channel = listener->accept(kPatience);
    connecting.join();
    ASSERT_DONE(channel);
    ASSERT_DONE(*other);
    expect_to_talk(*channel, **other);
  }
  EXPECT_TRUE(std::filesystem::exists(path)) << "the name is the launcher's";
}

TEST_F(Adopt, WhatIsNotWhatItShouldBeIsMisuse) {
  NEEDS("unix", "tcp", "pipe", "inproc");
  auto [stream, its_peer] = sockets();
  auto [packets, their_peer] = sockets(SOCK_SEQPACKET);
  const std::string path = folder_ + "/socket";
  const auto refused = [](Handle handle, const char* endpoint) {
    return sluice::adopt(std::move(handle), endpoint, Deadline::now());
  };
  EXPECT_CODE(refused(Handle{}, "unix:"), Errc::misuse);
  EXPECT_CODE(refused(Handle{eventfd(0, EFD_CLOEXEC)}, "unix:"), Errc::misuse);
  EXPECT_CODE(refused(std::move(packets), "unix:"), Errc::misuse);
  EXPECT_CODE(refused(Handle{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)}, "unix:"), Errc::misuse);
  EXPECT_CODE(refused(Handle{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}, "unix:"), Errc::misuse);
  EXPECT_CODE(refused(listening_at(path), "unix:"), Errc::misuse);
  EXPECT_CODE(refused(stream.duplicate().value(), "tcp:"), Errc::misuse);
  EXPECT_CODE(refused(stream.duplicate().value(), "pipe:"), Errc::misuse);
  EXPECT_CODE(refused(stream.duplicate().value(), "inproc:"), Errc::not_supported);
  EXPECT_CODE(sluice::adopt_listener(stream.duplicate().value(), "unix:"), Errc::misuse);
  EXPECT_CODE(sluice::adopt_listener(Handle{}, "tcp:"), Errc::misuse);
  EXPECT_CODE(sluice::adopt_listener(stream.duplicate().value(), "pipe:"), Errc::not_supported);
}

TEST_F(Adopt, ASilentPeerIsTimedOutAndAStrangerIsTold) {
  NEEDS("unix");
  auto [silent, its_peer] = sockets();
  EXPECT_CODE(sluice::adopt(std::move(silent), "unix:", 50ms), Errc::timed_out);
  auto [stranger, their_peer] = sockets();
  const std::string text = "GET / HTTP/1.1\r\nHost: here\r\nUser-Agent: a stranger that says more than 64 bytes\r\n\r\n";
  ASSERT_EQ(write(native(their_peer), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  EXPECT_CODE(sluice::adopt(std::move(stranger), "unix:", kPatience), Errc::protocol_error);
  auto [gone, nobody] = sockets();
  nobody.close();
  EXPECT_CODE(sluice::adopt(std::move(gone), "unix:", kPatience), Errc::peer_died);
}

}  // namespace
}  // namespace sluice_test
