// Promise 9: by default just the same user can connect; the channel tells who the peer is; names can't be squatted.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "conformance.hpp"

namespace sluice_test {
namespace {

SLUICE_PROMISE(OnlyWhoMay, 9);

constexpr uid_t kNobody = 65534;  // a user without rights, on every Linux
#define NEEDS_ROOT() \
  if (geteuid() != 0) GTEST_SKIP() << "becoming another user needs root"

TEST_P(OnlyWhoMay, TellsWhoThePeerIs) {
  for (const auto what : {PeerDoes::connect, PeerDoes::listen}) {
    auto pair = meet(what);  // which compares process and user of both sides
    if (pair.channel.traits().identity) {
      ASSERT_TRUE(pair.channel.peer().process_id);
      ASSERT_TRUE(pair.channel.peer().user_id);
    } else {
      // Nothing is promised; but what it tells must be true.
      EXPECT_EQ(pair.channel.peer().process_id.value_or(pair.peer->pid()), pair.peer->pid());
      EXPECT_EQ(pair.channel.peer().user_id.value_or(getuid()), static_cast<std::int64_t>(getuid()));
      answer_not_supported();
    }
  }
}

TEST_P(OnlyWhoMay, ALiveNameCantBeTaken) {
  if (answered_without_names()) return;
  auto listener = listen();
  EXPECT_CODE(sluice::listen(endpoint()), Errc::address_in_use);
  auto& peer = start_peer();
  EXPECT_FAILED(peer.call("listen"), Errc::address_in_use);
  auto channel = accept_from(listener, peer);
  EXPECT_FAILED(peer.call("listen"), Errc::address_in_use);
  listener.close();
  EXPECT_DONE(peer.call("listen"));
  EXPECT_CODE(sluice::listen(endpoint()), Errc::address_in_use);
  // The channel doesn't depend on its listener.
  send(channel, stream({10}), 0, 1);
  EXPECT_DONE(peer.call("receive size=10"));
}

TEST_P(OnlyWhoMay, AnotherUserIsRefusedAndTheListenerUndisturbed) {
  if (answered_without_names()) return;
  if (stays_in_one_process()) return answer_one_process();
  NEEDS_ROOT();
  auto listener = listen();
  // Whatever protects the name (modes of folder and socket) is opened, where it can be: who it is must be checked as well.
  std::filesystem::permissions(scratch().folder(), std::filesystem::perms::all);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(scratch().folder()))
    std::filesystem::permissions(entry.path(), std::filesystem::perms::all);
  auto& stranger = start_peer();
  const auto connecting = stranger.start("connect-as uid=" + std::to_string(kNobody));
  while (!stranger.has_answered(connecting)) EXPECT_CODE(listener.accept(20ms), Errc::timed_out);
  EXPECT_EQ(stranger.finish(connecting).text("connect"), "access_denied");
  std::filesystem::permissions(scratch().folder(), std::filesystem::perms::owner_all);
  auto& peer = start_peer();
  Pair pair{&peer, accept_from(listener, peer)};
  send(pair.channel, stream({10}), 0, 1);
  EXPECT_DONE(peer.call("receive size=10"));
}

TEST_P(OnlyWhoMay, AnotherUsersListenerIsNotTrusted) {
  if (answered_without_names()) return;
  if (stays_in_one_process()) return answer_one_process();
  NEEDS_ROOT();
  // The stranger owns the folder, and so any name in it: what a squatter in /tmp would have.
  ASSERT_EQ(chown(scratch().folder().c_str(), kNobody, kNobody), 0);
  auto& stranger = start_peer();
  const Reply listening = stranger.call("listen-as uid=" + std::to_string(kNobody));
  ASSERT_DONE(listening);
  EXPECT_EQ(listening.text("listen"), "ok");
  EXPECT_CODE(sluice::connect(endpoint(), soon()), Errc::access_denied);
  ::kill(static_cast<pid_t>(listening.number("child")), SIGKILL);
  for (const auto& entry : std::filesystem::directory_iterator(scratch().folder())) std::filesystem::remove(entry.path());
  ASSERT_EQ(chown(scratch().folder().c_str(), 0, 0), 0);
}

TEST_P(OnlyWhoMay, AnyoneWhereTheMechanismCanVouchElseNotSupported) {
  if (answered_without_names()) return;
  sluice::Options anyone;
  anyone.allow = sluice::Allow::anyone;
  auto listening = sluice::listen(endpoint(), anyone);
  if (traits().lobby) {
    EXPECT_CODE(listening, Errc::not_supported);
    return answer_not_supported();
  }
  ASSERT_OK(listening);
  auto listener = *std::move(listening);
  if (stays_in_one_process()) return answer_one_process();
  NEEDS_ROOT();
  std::filesystem::permissions(scratch().folder(), std::filesystem::perms::all);
  auto& stranger = start_peer();
  const auto connecting = stranger.start("connect-as allow=1 uid=" + std::to_string(kNobody));
  const auto channel = listener.accept(soon());
  EXPECT_EQ(stranger.finish(connecting).text("connect"), "ok");
  ASSERT_OK(channel);
  EXPECT_EQ(channel->peer().user_id, static_cast<std::int64_t>(kNobody));
  std::filesystem::permissions(scratch().folder(), std::filesystem::perms::owner_all);
}

TEST_P(OnlyWhoMay, BeyondThisMachineAnyoneHasToBeWrittenOut) {
  if (subject().beyond.empty()) return note("beyond_this_machine", "not reached");
  const std::string beyond = subject().mechanism + ":" + subject().beyond;
  EXPECT_CODE(sluice::listen(beyond), Errc::access_denied);
  auto listening = sluice::listen(beyond + "?allow=anyone");
  ASSERT_OK(listening);
  auto listener = *std::move(listening);
  // Who connects there knows as little of who listens.
  EXPECT_CODE(sluice::connect(listener.endpoint(), soon()), Errc::access_denied);
  auto& peer = start_peer();
  const auto connecting = peer.start("connect deadline=10000 endpoint=" + listener.endpoint() + "?allow=anyone");
  auto channel = listener.accept(soon());
  ASSERT_OK(channel);
  EXPECT_DONE(peer.finish(connecting));
  send(*channel, stream({10}), 0, 1);
  EXPECT_DONE(peer.call("receive size=10"));
}

}  // namespace
}  // namespace sluice_test
