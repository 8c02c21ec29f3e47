// What meets in the lobby: private links that are handed over, names that are gone at once or swept, limits of the system.
#include <fcntl.h>
#include <mqueue.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <array>
#include <fstream>
#include <memory>

#include "links/mechanism.hpp"
#include "os/lobby.hpp"
#include "os/name_lock.hpp"
#include "os/names.hpp"
#include "os/runtime_folder.hpp"
#include "unit/os_support.hpp"

namespace sluice::inline v0::test {
namespace {

// Both ends of a meeting in this process.
struct Met {
  std::unique_ptr<links::Acceptor> acceptor;
  links::Meeting listening;
  links::Meeting dialing;
};

class OsLobby : public OsTest {
 protected:
  // A guest that only notes what it is told.
  [[nodiscard]] os::lobby::Guest guest() {
    return {.make_link = [this](const std::string& objects) -> std::unique_ptr<links::PrivateLink> {
              given_ = objects;
              return nullptr;
            },
            .sweep = [this](const std::string& objects) { swept_ = objects; }};
  }
  Result<std::unique_ptr<links::Acceptor>> listen(const std::string& where) {
    return os::lobby::listen("test", place(where), guest());
  }
  Result<links::Meeting> connect(const std::string& where) const {
    auto dialer = os::lobby::dial("test", place(where), [] { return std::unique_ptr<links::PrivateLink>{}; });
    if (!dialer) return dialer.error();
    return (*dialer)->connect();
  }

  std::string given_;
  std::string swept_;
};

TEST_F(OsLobby, MeetsUnderAnyName) {
  for (const std::string& where : {std::string{"camera"}, std::string{"a name/with: all kinds %of?things"},
                                   std::string(500, 'x'), std::string{"\xc3\xa4\0b", 4}}) {
    const auto acceptor = listen(where);
    ASSERT_TRUE(acceptor) << where;
    EXPECT_EQ((*acceptor)->where(), where);
    EXPECT_TRUE(connect(where)) << where;
    EXPECT_TRUE((*acceptor)->accept());
    EXPECT_EQ(code_of(listen(where)), Errc::address_in_use);
    EXPECT_EQ(code_of(connect(where + '2')), Errc::not_found);
  }
  EXPECT_EQ(files_in_folder(), 0U);
}

TEST_F(OsLobby, ServesTheOwnUserOnlyAndNamesThatAreNone) {
  const auto wide = os::lobby::listen("test", place("x", Allow::anyone), guest());
  ASSERT_EQ(code_of(wide), Errc::not_supported);
  EXPECT_EQ(wide.error().step, Step::check_options);
  EXPECT_EQ(code_of(os::lobby::dial("test", place("x", Allow::anyone), nullptr)), Errc::not_supported);
  EXPECT_EQ(code_of(listen("")), Errc::invalid_endpoint);
  EXPECT_EQ(code_of(listen(std::string(5000, 'x'))), Errc::invalid_endpoint);
}

TEST_F(OsLobby, ADifferentPlaceWithTheSameShortNameIsToldApart) {
  const std::string where(500, 'x');
  const std::string file = os::short_name("test", where);
  std::ofstream(path(file + ".lock")) << "sluice 0\nname somebody-elses\nobjects -\nend\n";
  EXPECT_EQ(code_of(listen(where)), Errc::address_in_use);
  EXPECT_EQ(code_of(connect(where)), Errc::not_found);
}

TEST_F(OsLobby, ABrokenRecordTellsNothing) {
  for (const std::string_view text :
       {"", "\n", "sluice 0\n", "sluice 9\nname x\nend\n", "sluice 0\nname x\nobjects a/b\nsocket 1 2\nend\n",
        "sluice 0\nname test%3acamera\nobjects ../../etc/passwd\nsocket a b c d\nend\n"}) {
    std::ofstream(path("test-camera.lock")) << text;
    swept_.clear();
    const auto acceptor = listen("camera");
    EXPECT_TRUE(swept_.empty()) << swept_;
    EXPECT_TRUE(acceptor || text.find("name x\nobjects") != std::string_view::npos) << text;
    std::filesystem::remove(path("test-camera.lock"));
  }
}

TEST_F(OsLobby, WhatAKilledListenerLeftIsSweptByTheNext) {
  const Signal listening;
  Child child([&] {
    const auto acceptor = listen("camera");
    listening.give();
    ::pause();
    return acceptor ? 0 : 1;
  });
  listening.await();
  child.kill();
  child.wait();
  const auto folder = os::open_runtime_folder(os::Missing::tell);
  ASSERT_TRUE(folder);
  EXPECT_EQ(os::recorded_name(*folder, "test-camera.lock"), "test%3acamera");
  const auto acceptor = listen("camera");
  ASSERT_TRUE(acceptor);
  EXPECT_TRUE(swept_.starts_with("sluice-")) << swept_;
  ASSERT_TRUE(connect("camera"));
  ASSERT_TRUE((*acceptor)->accept());
  EXPECT_NE(given_, swept_) << "a new name for a new listener";
}

TEST_F(OsLobby, ARuntimeFolderThatOthersCouldWriteInIsRefused) {
  ASSERT_EQ(::chmod(folder_.c_str(), 0777), 0);
  const auto refused = listen("camera");
  EXPECT_EQ(code_of(refused), Errc::access_denied);
  EXPECT_EQ(refused.error().step, Step::find_runtime_folder);
  EXPECT_EQ(code_of(connect("camera")), Errc::access_denied);
  ASSERT_EQ(::chmod(folder_.c_str(), 0700), 0);
}

TEST_F(OsLobby, ARuntimeFolderIsMadeByTheListenerAlone) {
  ::setenv("SLUICE_RUNTIME_DIR", path("new").c_str(), 1);
  EXPECT_EQ(code_of(connect("camera")), Errc::not_found);
  EXPECT_FALSE(std::filesystem::exists(path("new")));
  EXPECT_TRUE(listen("camera"));
  struct stat status{};
  ASSERT_EQ(::stat(path("new").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
}

// The mechanisms that meet there, with their real links.
class OsPrivateLink : public OsTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (mechanism_ == nullptr) GTEST_SKIP() << GetParam() << " is not built in";
  }
  [[nodiscard]] Met meet() const {
    Met met;
    met.acceptor = mechanism_->listen(place("camera")).value();
    met.dialing = mechanism_->dial(place("/camera")).value()->connect().value();
    met.listening = met.acceptor->accept().value();
    return met;
  }
  // The names of objects of the library that are there now.
  static std::vector<std::string> objects() {
    std::vector<std::string> names;
    for (const char* folder : {"/dev/shm", "/dev/mqueue"}) {
      std::error_code missing;
      for (const auto& entry : std::filesystem::directory_iterator(folder, missing)) {
        const std::string name = entry.path().filename();
        if (name.starts_with("sluice-0") || name.starts_with("sluice-1")) names.push_back(name);
      }
    }
    return names;
  }

  const links::Mechanism* mechanism_{links::find_mechanism(GetParam())};
};

TEST_P(OsPrivateLink, IsHandedOverAndLeavesNoName) {
  auto met = meet();
  auto offer = met.listening.private_link->make(0);
  ASSERT_TRUE(offer);
  EXPECT_LE(offer->handles.size(), links::Offer::kMaxHandles);
  ASSERT_TRUE(met.dialing.private_link->take(*std::move(offer)));
  const auto one = met.listening.private_link->link();
  const auto other = met.dialing.private_link->link();
  EXPECT_EQ(one.index(), other.index());
}

TEST_P(OsPrivateLink, AnOfferOfOtherHandlesIsRefused) {
  auto met = meet();
  for (std::size_t handles = 0; handles <= links::Offer::kMaxHandles; ++handles) {
    links::Offer offer;
    for (std::size_t i = 0; i < handles; ++i) offer.handles.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_EQ(code_of(met.dialing.private_link->take(std::move(offer))), Errc::protocol_error) << handles;
  }
}

TEST_P(OsPrivateLink, ANameWithASlashInsideIsRefused) {
  EXPECT_EQ(code_of(mechanism_->listen(place("a/b"))), Errc::invalid_endpoint);
  EXPECT_EQ(code_of(mechanism_->dial(place("/a/b"))), Errc::invalid_endpoint);
  EXPECT_EQ(code_of(mechanism_->listen(place("/"))), Errc::invalid_endpoint);
}

TEST_P(OsPrivateLink, ManyAreMadeAndLetGoWithoutALeak) {
  auto met = meet();
  const auto before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    auto dialing = mechanism_->dial(place("camera")).value()->connect().value();
    auto listening = met.acceptor->accept().value();
    auto offer = listening.private_link->make(0);
    ASSERT_TRUE(offer) << i;
    ASSERT_TRUE(dialing.private_link->take(*std::move(offer)));
  }
  EXPECT_EQ(open_descriptors(), before);
}

INSTANTIATE_TEST_SUITE_P(All, OsPrivateLink, testing::Values("mq", "shm"),
                         [](const auto& parameter) { return parameter.param; });

// Queues have limits of their own.
class OsQueues : public OsTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(::getrlimit(RLIMIT_MSGQUEUE, &limit_), 0);  // first: TearDown() comes after a skip, too
    if (mechanism_ == nullptr) GTEST_SKIP() << "mq is not built in";
    acceptor_ = mechanism_->listen(place("queue")).value();
    dialing_ = mechanism_->dial(place("queue")).value()->connect().value();
    listening_ = acceptor_->accept().value();
  }
  void TearDown() override { ::setrlimit(RLIMIT_MSGQUEUE, &limit_); }
  // What this process may have in queues from now on. All queues of the user count; a limit below what they take refuses all.
  void allow(rlim_t bytes) const {
    const rlimit limit{bytes, limit_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_MSGQUEUE, &limit), 0);
  }
  // A pair of queue descriptors as the connecting side gets them: one to receive from, one to send to.
  [[nodiscard]] links::Offer offer_of(long size, int receiving, int sending) const {
    links::Offer offer;
    for (const int access : {receiving, sending}) {
      const std::string name = "/sluice-test-" + std::to_string(::getpid());
      mq_attr attributes{};
      attributes.mq_maxmsg = 1;
      attributes.mq_msgsize = size;
      offer.handles.emplace_back(::mq_open(name.c_str(), access | O_CREAT | O_EXCL, 0600, &attributes));
      EXPECT_TRUE(offer.handles.back()) << errno;
      ::mq_unlink(name.c_str());
    }
    return offer;
  }

  const links::Mechanism* mechanism_{links::find_mechanism("mq")};
  std::unique_ptr<links::Acceptor> acceptor_;
  links::Meeting listening_;
  links::Meeting dialing_;
  rlimit limit_{};
};

TEST_F(OsQueues, OutOfQueueMemoryIsALimitThatSaysHowMuchIsNeeded) {
  allow(1000);
  const auto offer = listening_.private_link->make(0);
  ASSERT_EQ(code_of(offer), Errc::limit_reached);
  EXPECT_EQ(offer.error().step, Step::make_queues);
  EXPECT_EQ(offer.error().first, 2 * 4 * (1024 + 96));
  EXPECT_EQ(offer.error().second, 1000);
}

TEST_F(OsQueues, OutOfDescriptorsIsNotTakenForOutOfQueues) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{3, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto offer = listening_.private_link->make(0);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ASSERT_EQ(code_of(offer), Errc::limit_reached);
  EXPECT_NE(offer.error().step, Step::make_queues);
}

TEST_F(OsQueues, APairShrinksWhereTheUsualOneDoesNotFit) {
  // In a user and process whose queues nobody else counts: a fork that becomes another user, if that is possible.
  if (::geteuid() != 0) GTEST_SKIP() << "needs a user without other queues";
  Child child([&] {
    auto& link = listening_.private_link;
    if (!become_user(54321)) return 1;
    allow(20'000);
    auto offer = link->make(0);
    if (!offer) return 2;
    const auto any = link->link();
    return std::get<1>(any)->max_packet() == 1024 ? 0 : 3;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(OsQueues, CarryWholePacketsInOrderUntilTheyAreFull) {
  auto offer = listening_.private_link->make(0);
  ASSERT_TRUE(offer);
  ASSERT_TRUE(dialing_.private_link->take(*std::move(offer)));
  const auto from = std::get<1>(listening_.private_link->link());
  const auto to = std::get<1>(dialing_.private_link->link());
  std::array<std::byte, 3> content{};
  const std::array<std::span<const std::byte>, 2> parts{std::span{content}.first(1), std::span{content}.last(2)};
  const std::array<links::OutgoingPacket, 3> batch{{{parts}, {parts}, {parts}}};
  std::size_t sent = 0;
  Result<std::size_t> count{0U};
  while ((count = from->send(batch))) {
    sent += *count;
    ASSERT_LE(sent, 10U);
  }
  EXPECT_EQ(code_of(count), Errc::would_block);
  std::array<links::Packet, 32> packets;
  EXPECT_EQ(to->receive(packets).value(), sent);
  EXPECT_EQ(packets[0].bytes.size(), content.size());
  EXPECT_EQ(code_of(to->receive(packets)), Errc::would_block);
  const std::vector<std::byte> large(from->max_packet() + 1);
  const std::span<const std::byte> part{large};
  const links::OutgoingPacket packet{{&part, 1}};
  EXPECT_EQ(code_of(from->send({&packet, 1})), Errc::misuse);
}

TEST_F(OsQueues, APeerThatMakesItsQueueBlockingMakesNobodyWait) {
  auto offer = offer_of(128, O_RDWR, O_RDWR);
  const links::Descriptor kept{::fcntl(static_cast<int>(offer.handles[1].native()), F_DUPFD_CLOEXEC, 0)};
  ASSERT_TRUE(dialing_.private_link->take(std::move(offer)));
  const auto link = std::get<1>(dialing_.private_link->link());
  mq_attr blocking{};
  ASSERT_EQ(::mq_setattr(static_cast<mqd_t>(kept.native()), &blocking, nullptr), 0);
  const std::array<std::byte, 8> content{};
  const std::span<const std::byte> part{content};
  const links::OutgoingPacket packet{{&part, 1}};
  EXPECT_EQ(link->send({&packet, 1}).value(), 1U);
  EXPECT_EQ(code_of(link->send({&packet, 1})), Errc::would_block);
}

TEST_F(OsQueues, QueuesThatCanNotBeUsedAreRefused) {
  EXPECT_EQ(code_of(dialing_.private_link->take(offer_of(64, O_RDONLY, O_WRONLY))), Errc::protocol_error)
      << "packets too small";
  EXPECT_EQ(code_of(dialing_.private_link->take(offer_of(128, O_WRONLY, O_RDONLY))), Errc::protocol_error)
      << "the wrong way round";
  links::Offer numbered = offer_of(128, O_RDONLY, O_WRONLY);
  numbered.numbers.push_back(1);
  EXPECT_EQ(code_of(dialing_.private_link->take(std::move(numbered))), Errc::protocol_error);
  EXPECT_TRUE(dialing_.private_link->take(offer_of(128, O_RDONLY, O_WRONLY)));
}

}  // namespace
}  // namespace sluice::inline v0::test
