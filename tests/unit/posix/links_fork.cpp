// A forked child has copies of everything, but a link belongs to the process that made it: what the child destroys there
// disturbs the parent's end in nothing. It stands on fork(2).
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <span>

#include "links/mechanism.hpp"
#include "links/system.hpp"
#include "unit/links_pair.hpp"

namespace sluice::inline v0::test {
namespace {

constexpr unsigned kChildSeconds = 10;  // alarm(2) ends a child that hangs

// Runs `work` in a forked child; its exit status, or -1 if it was killed.
template <class Work>
int in_child(Work work) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kChildSeconds);
    ::_exit(work());
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

class ForkContract : public testing::TestWithParam<Subject> {};

// The byte, or the packet of one byte, that is sent next at `from` is received at `to`.
void expect_to_carry(End& from, End& to, std::byte content) {
  const std::span<const std::byte> part{&content, 1};
  if (from.link.index() == 0) {
    EXPECT_TRUE(is_ok(from.stream().write(std::span{&part, 1})));
    ASSERT_TRUE(becomes_readable(to.stream().incoming()));
    std::byte received{};
    const std::span<std::byte> room{&received, 1};
    EXPECT_TRUE(is_ok(to.stream().read(std::span{&room, 1})));
    EXPECT_EQ(received, content);
  } else if (from.link.index() == 1) {
    const links::OutgoingPacket packet{std::span{&part, 1}};
    EXPECT_TRUE(is_ok(from.packets().send({&packet, 1})));
    ASSERT_TRUE(becomes_readable(to.packets().incoming()));
    std::array<links::Packet, 1> packets;
    ASSERT_TRUE(is_ok(to.packets().receive(packets)));
    ASSERT_EQ(packets[0].bytes.size(), 1U);
    EXPECT_EQ(packets[0].bytes.bytes()[0], content);
  } else {
    from.region().memory()[0] = content;
    from.region().ring();
    EXPECT_TRUE(becomes_readable(to.region().bell()));
    EXPECT_TRUE(to.region().silence());
    EXPECT_EQ(to.region().memory()[0], content);
  }
}

TEST_P(ForkContract, AChildThatDestroysItsCopiesDisturbsNobody) {
  auto met = meet(GetParam());
  ASSERT_TRUE(is_ok(met));
  expect_to_carry(met->connecting, met->listening, std::byte{1});
  EXPECT_EQ(in_child([&] {
              met->connecting = End{};
              met->listening = End{};
              return 7;
            }),
            7);
  expect_to_carry(met->connecting, met->listening, std::byte{2});
  expect_to_carry(met->listening, met->connecting, std::byte{3});
}

TEST_P(ForkContract, AChildThatLivesOnDoesNotHoldTheLinkOpen) {
  auto met = meet(GetParam());
  ASSERT_TRUE(is_ok(met));
  std::array<int, 2> control{};
  ASSERT_EQ(::pipe(control.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kChildSeconds);
    ::close(control[1]);
    char nothing = 0;
    (void)!::read(control[0], &nothing, 1);  // until the parent closes
    ::_exit(0);
  }
  auto& stream = met->listening.meeting_link.index() == 0 && std::get<0>(met->listening.meeting_link) != nullptr
                     ? met->listening.meeting_link
                     : met->listening.link;
  met->connecting = End{};
  const auto waitable = stream.index() == 0 ? std::get<0>(stream)->incoming() : std::get<1>(stream)->incoming();
  EXPECT_TRUE(becomes_readable(waitable));
  ::close(control[1]);
  ::close(control[0]);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

std::vector<Subject> all_subjects() {
  std::vector<Subject> all;
  for (const Shape shape : {Shape::stream, Shape::packets, Shape::region}) {
    for (auto& subject : subjects(shape)) all.push_back(std::move(subject));
  }
  return all;
}

std::string name_with_shape(const testing::TestParamInfo<Subject>& info) {
  return (info.param.options.empty() ? "" : info.param.options[0].second + "_") + name_of(info);
}

INSTANTIATE_TEST_SUITE_P(Links, ForkContract, testing::ValuesIn(all_subjects()), name_with_shape);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ForkContract);

TEST(InprocFork, AChildHasNamesOfItsOwn) {
  const auto* mechanism = links::find_mechanism("inproc");
  if (mechanism == nullptr) GTEST_SKIP() << "not built in";
  const links::Place place{"forked", {{"link", "stream"}}, Allow::same_user};
  auto acceptor = mechanism->listen(place);
  ASSERT_TRUE(is_ok(acceptor));
  auto dialer = mechanism->dial(place);
  ASSERT_TRUE(is_ok(dialer));
  ASSERT_TRUE(is_ok((*dialer)->connect()));  // waits to be accepted
  EXPECT_EQ(in_child([&] {
              if (mechanism->dial(place).value()->connect()) return 1;  // the parent's listener is not here
              auto own = mechanism->listen(place);
              if (!own) return 2;
              auto client = mechanism->dial(place).value()->connect();
              if (!client) return 3;
              if (!(*own)->accept()) return 4;
              acceptor->reset();  // the parent's
              if (!mechanism->dial(place).value()->connect()) return 5;
              return 0;
            }),
            0);
  EXPECT_TRUE(is_ok((*acceptor)->accept()));
  EXPECT_TRUE(is_ok((*dialer)->connect()));
}

}  // namespace
}  // namespace sluice::inline v0::test
