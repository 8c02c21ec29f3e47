// local: memory without a name whose size nobody can change, and the connection of the lobby where there is no such memory.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <optional>
#include <sluice/sluice.hpp>
#include <vector>

#include "core/handshake.hpp"
#include "links/mechanism.hpp"
#include "os/doorbell.hpp"
#include "os/shared_region.hpp"
#include "os/unnamed_memory.hpp"
#include "unit/connected_ends.hpp"
#include "unit/os_support.hpp"

namespace sluice::inline v0::test {
namespace {

using sluice_test::connect_ends_at;
using sluice_test::kPatience;

constexpr std::size_t kCapacity = links::kMinRingCapacity;

int number(const links::Descriptor& descriptor) { return static_cast<int>(descriptor.native()); }

// ---- memory --------------------------------------------------------------------------------------------------------------

TEST(OsUnnamedMemory, HasNoNameAndIsNotInherited) {
  const auto memory = os::new_unnamed_memory();
  ASSERT_TRUE(memory);
  struct stat status{};
  ASSERT_EQ(::fstat(number(*memory), &status), 0);
  EXPECT_EQ(status.st_nlink, 0U);
  EXPECT_EQ(::fcntl(number(*memory), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(OsUnnamedMemory, ThatIsSealedCanNeitherBeCutNorGrownNorSealedFurther) {
  const auto memory = os::new_unnamed_memory();
  ASSERT_TRUE(memory);
  ASSERT_EQ(::ftruncate(number(*memory), 8192), 0);
  EXPECT_FALSE(os::has_sealed_size(*memory));
  ASSERT_TRUE(os::seal_size(*memory));
  EXPECT_TRUE(os::has_sealed_size(*memory));
  EXPECT_NE(::ftruncate(number(*memory), 4096), 0);
  EXPECT_NE(::ftruncate(number(*memory), 16384), 0);
  EXPECT_NE(::fcntl(number(*memory), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
  EXPECT_EQ(::fallocate(number(*memory), 0, 0, 8192), 0) << "it is backed all the same";
}

TEST(OsUnnamedMemory, OnlyBothSealsAreASealedSize) {
  for (const int seals : {0, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK | F_SEAL_GROW}) {
    const links::Descriptor memory{::memfd_create("sluice-test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    ASSERT_EQ(::fcntl(number(memory), F_ADD_SEALS, seals), 0);
    EXPECT_EQ(os::has_sealed_size(memory), seals == (F_SEAL_SHRINK | F_SEAL_GROW));
  }
  EXPECT_FALSE(os::has_sealed_size(links::Descriptor{::open("/dev/null", O_RDWR | O_CLOEXEC)}));
}

// ---- what is offered -----------------------------------------------------------------------------------------------------

class OsLocal : public OsTest {
 protected:
  void SetUp() override {
    if (local_ == nullptr) GTEST_SKIP() << "local is not built in";
    auto acceptor = local_->listen(place("camera")).value();
    dialing_ = local_->dial(place("camera")).value()->connect().value();
    listening_ = acceptor->accept().value();
  }
  [[nodiscard]] links::PrivateLink& maker() const { return *listening_.private_link; }
  [[nodiscard]] links::PrivateLink& taker() const { return *dialing_.private_link; }

  const links::Mechanism* local_{links::find_mechanism("local")};
  links::Meeting listening_;
  links::Meeting dialing_;
};

TEST_F(OsLocal, OffersSealedMemoryOfTheRightSizeThatNobodyElseCanOpen) {
  const auto offer = maker().make(kCapacity);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->numbers, (std::vector<std::uint64_t>{links::region_size(kCapacity), kCapacity}));
  ASSERT_EQ(offer->handles.size(), 2U);
  struct stat status{};
  ASSERT_EQ(::fstat(number(offer->handles[0]), &status), 0);
  EXPECT_EQ(static_cast<std::size_t>(status.st_size), links::region_size(kCapacity));
  EXPECT_EQ(status.st_nlink, 0U);
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  EXPECT_EQ(::fcntl(number(offer->handles[0]), F_GET_SEALS) & kSeals, kSeals);
  EXPECT_EQ(maker().fallback(), "");
}

TEST_F(OsLocal, MemoryWhoseSizeIsNotSealedIsRefused) {
  for (const int seals : {0, F_SEAL_GROW, F_SEAL_SHRINK}) {
    links::Descriptor memory{::memfd_create("sluice-test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    ASSERT_EQ(::ftruncate(number(memory), static_cast<off_t>(links::region_size(kCapacity))), 0);
    ASSERT_EQ(::fcntl(number(memory), F_ADD_SEALS, seals), 0);
    auto bells = os::Doorbell::create().value();
    links::Offer offer;
    offer.numbers = {links::region_size(kCapacity), kCapacity};
    offer.handles.push_back(std::move(memory));
    offer.handles.push_back(std::move(bells.second).release());
    EXPECT_EQ(code_of(taker().take(std::move(offer))), Errc::protocol_error) << seals;
    EXPECT_EQ(taker().fallback(), "");
  }
}

TEST_F(OsLocal, OffersToStayThatNoPeerMakesAreRefused) {
  for (const std::uint64_t reason : {std::uint64_t{0}, std::uint64_t{4}, ~std::uint64_t{0}}) {
    links::Offer offer;
    offer.numbers = {0, reason};
    EXPECT_EQ(code_of(taker().take(std::move(offer))), Errc::protocol_error) << reason;
  }
  links::Offer offer;
  offer.numbers = {0, 1};
  offer.handles.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(code_of(taker().take(std::move(offer))), Errc::protocol_error) << "with a handle";
}

TEST_F(OsLocal, WhereTheMakerHasNoMemoryItOffersToStay) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small{4096, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto offer = maker().make(kCapacity);
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->numbers, (std::vector<std::uint64_t>{0, 2}));
  EXPECT_TRUE(offer->handles.empty());
  EXPECT_NE(maker().fallback().find("this end"), std::string_view::npos) << maker().fallback();
  ASSERT_TRUE(taker().take(*std::move(offer)));
  EXPECT_NE(taker().fallback().find("the other end"), std::string_view::npos) << taker().fallback();
  EXPECT_EQ(taker().refusal(), 0U) << "nothing was offered";
  EXPECT_FALSE(maker().stay(2)) << "nobody can refuse what was not offered";
}

TEST_F(OsLocal, WhereTheTakerMayNotMapItTheChannelStays) {
  auto offer = maker().make(kCapacity);
  ASSERT_TRUE(offer);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &limit), 0);
  const rlimit none{4096, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &none), 0);
  const auto taken = taker().take(*std::move(offer));
  ::setrlimit(RLIMIT_AS, &limit);
  ASSERT_TRUE(taken);
  EXPECT_NE(taker().fallback(), "");
  EXPECT_EQ(taker().refusal(), 2U);
  for (const std::uint32_t nonsense : {0U, 4U, ~0U}) EXPECT_FALSE(maker().stay(nonsense)) << nonsense;
  EXPECT_TRUE(maker().stay(taker().refusal()));
  EXPECT_NE(maker().fallback(), "");
  EXPECT_FALSE(maker().stay(1)) << "it is said once";
}

// The offer comes, and its two descriptors can't be opened here.
TEST_F(OsLocal, WhereTheTakerHasNoDescriptorLeftTheChannelStays) {
  const auto& row = *links::find_row("local");
  core::Handshake listens(core::Handshake::Role::listening, std::move(listening_), row, {});
  core::Handshake connects(core::Handshake::Role::connecting, std::move(dialing_), row, {});
  EXPECT_EQ(code_of(connects.step()), Errc::would_block);
  EXPECT_EQ(code_of(listens.step()), Errc::would_block);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{0, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto connected = connects.step();
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ASSERT_TRUE(connected);
  EXPECT_EQ(connected->traits.shape, Shape::stream);
  EXPECT_NE(connected->traits.fallback.find("this end lacks"), std::string_view::npos) << connected->traits.fallback;
  const auto accepted = listens.step();
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->traits.shape, Shape::stream);
  EXPECT_NE(accepted->traits.fallback.find("the other end lacks"), std::string_view::npos) << accepted->traits.fallback;
}

TEST_F(OsLocal, ACapacityBeyondEveryRegionIsToldAndNotGotRound) {
  EXPECT_EQ(code_of(maker().make(links::kMaxRingCapacity + 1)), Errc::limit_reached);
}

TEST_F(OsLocal, OptionsThatAreNoneAreRefused) {
  links::Place wrong = place("camera");
  wrong.options = {{"link", "region?"}};
  EXPECT_EQ(code_of(local_->listen(wrong)), Errc::invalid_endpoint);
  EXPECT_EQ(code_of(local_->dial(wrong)), Errc::invalid_endpoint);
}

TEST_F(OsLocal, ManyAreMadeAndLetGoWithoutALeak) {
  const auto acceptor = local_->listen(place("many")).value();
  const auto before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    auto dialing = local_->dial(place("many")).value()->connect().value();
    auto listening = acceptor->accept().value();
    auto offer = listening.private_link->make(0);
    ASSERT_TRUE(offer) << i;
    ASSERT_TRUE(dialing.private_link->take(*std::move(offer)));
    if (i % 2 == 0) continue;
    const auto one = listening.private_link->link();
    const auto other = dialing.private_link->link();
  }
  EXPECT_EQ(open_descriptors(), before);
}

// What is said on the connection is no sign of its end; that is told apart, and so is the peer's.
TEST_F(OsLocal, TheTetherTellsOfTheConnectionsEndAlone) {
  ASSERT_TRUE(listening_.carries_handles);
  auto& stream = *std::get<0>(dialing_.link);
  const std::span<const std::byte> bytes = as_bytes("said");
  ASSERT_TRUE(stream.write({&bytes, 1}));
  EXPECT_FALSE(listening_.tether->is_severed());
  std::get<0>(dialing_.link).reset();
  EXPECT_TRUE(listening_.tether->is_severed());
}

// ---- channels ------------------------------------------------------------------------------------------------------------

class SessionLocal : public OsTest {
 protected:
  void SetUp() override {
    if (links::find_mechanism("local") == nullptr) GTEST_SKIP() << "local is not built in";
  }
};

Result<void> send_with(Channel& channel, std::string_view text, std::span<const Handle> handles,
                       Deadline deadline = kPatience) {
  const auto bytes = as_bytes(text);
  return channel.send({.parts = {&bytes, 1}, .handles = handles}, deadline);
}

std::vector<Handle> some(std::size_t count) {
  std::vector<Handle> handles;
  for (std::size_t i = 0; i < count; ++i) handles.emplace_back(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  return handles;
}

// link=stream at one end is enough, and each end says whose wish it was.
TEST_F(SessionLocal, StaysOnTheConnectionWhereEitherEndAsks) {
  struct Case {
    std::string_view listening;
    std::string_view connecting;
    std::string_view first;  // what the connecting end says
    std::string_view second;
  };
  for (const auto& [listening, connecting, first, second] :
       {Case{"", "?link=stream", "this end", "the other end"}, Case{"?link=stream", "", "the other end", "this end"},
        Case{"?link=stream", "?link=stream", "the other end", "this end"}, Case{"", "", "", ""}}) {
    auto listener = listen("local:meet" + std::string{listening}).value();
    std::optional<Channel> one;
    std::thread dialing([&] { one.emplace(connect("local:meet" + std::string{connecting}, kPatience).value()); });
    auto two = listener.accept(kPatience).value();
    dialing.join();
    const bool is_region = first.empty();
    for (const auto* channel : {&*one, &two}) {
      EXPECT_EQ(channel->traits().shape, is_region ? Shape::region : Shape::stream);
      EXPECT_EQ(channel->traits().capacity != 0, is_region);
      EXPECT_TRUE(channel->traits().handles);
      EXPECT_EQ(channel->traits().fallback.empty(), is_region);
    }
    EXPECT_NE(one->traits().fallback.find(first), std::string_view::npos) << one->traits().fallback;
    EXPECT_NE(two.traits().fallback.find(second), std::string_view::npos) << two.traits().fallback;
    const auto with = some(2);
    ASSERT_TRUE(send_with(*one, "there", with));
    const auto there = two.receive(kPatience);
    ASSERT_TRUE(there);
    EXPECT_EQ(there->handles().size(), 2U);
    ASSERT_TRUE(send_with(two, "back", with));
    const auto back = one->receive(kPatience);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->handles().size(), 2U);
  }
}

// As many packets as the connection takes; then the send has to wait, and is woken by who receives.
TEST_F(SessionLocal, ASendWaitsWhereTheConnectionHasNoRoomForHandles) {
  auto ends = connect_ends_at("local:full");
  const auto with = some(1);
  int sent = 0;
  Result<void> result;
  while ((result = send_with(ends.first, "with", with, Deadline::now()))) ++sent;
  ASSERT_EQ(code_of(result), Errc::would_block) << sent;
  EXPECT_GT(sent, 10);
  EXPECT_EQ(code_of(send_with(ends.first, "with", with, std::chrono::milliseconds{10})), Errc::timed_out);
  EXPECT_TRUE(send_with(ends.first, "without", {}, Deadline::now())) << "the ring has room";
  ASSERT_EQ(code_of(send_with(ends.first, "with", with, Deadline::now())), Errc::would_block);
  EXPECT_EQ(ends.first.arm(Want::room).value(), Readiness::armed);
  Result<void> last = Errc::interrupted;
  std::thread waiting([&] { last = send_with(ends.first, "last", with); });
  int received = 0;
  while (true) {
    const auto message = ends.second.receive(kPatience);
    ASSERT_TRUE(message);
    if (as_text(message->bytes()) == "last") {
      EXPECT_EQ(message->handles().size(), 1U);
      break;
    }
    EXPECT_EQ(message->handles().size(), as_text(message->bytes()) == "with" ? 1U : 0U);
    ++received;
  }
  waiting.join();
  EXPECT_TRUE(last);
  EXPECT_EQ(received, sent + 1);
  EXPECT_EQ(ends.first.arm(Want::room).value(), Readiness::ready);
}

// An event loop that has been told of no room for handles hears when there is some.
TEST_F(SessionLocal, AnEventLoopIsWokenWhenTheConnectionHasRoomForHandles) {
  auto ends = connect_ends_at("local:loop");
  const auto with = some(1);
  int sent = 0;
  while (send_with(ends.first, "with", with, Deadline::now())) ++sent;
  ASSERT_EQ(ends.first.arm(Want::room).value(), Readiness::armed);
  auto waiter = links::Waiter::create().value();
  ASSERT_TRUE(waiter.add(ends.first.waitable().value(), {.readable = true}, 0));
  for (int i = 0; i < sent; ++i) ASSERT_TRUE(ends.second.receive(kPatience));
  const Deadline deadline{kPatience};
  while (ends.first.arm(Want::room).value() != Readiness::ready) {
    std::array<links::Ready, 1> ready;
    ASSERT_EQ(waiter.wait(ready, deadline).value(), 1U);
  }
  EXPECT_TRUE(send_with(ends.first, "with", with, Deadline::now()));
}

TEST_F(SessionLocal, HandlesThatNobodyReceivesAreClosedWithTheChannel) {
  const auto before = open_descriptors();
  {
    auto ends = connect_ends_at("local:closed");
    const auto with = some(3);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(send_with(ends.first, "not received", with));
    ends.second.advance();  // reads some of them ahead
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(SessionLocal, HandlesOfWholeMessagesComeAfterTheOtherEndHasGone) {
  auto ends = connect_ends_at("local:gone");
  const auto with = some(2);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(send_with(ends.first, "before", with));
  std::optional<Channel> gone{std::move(ends.first)};
  gone.reset();
  for (int i = 0; i < 5; ++i) {
    const auto message = ends.second.receive(kPatience);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->handles().size(), 2U);
  }
  EXPECT_EQ(code_of(ends.second.receive(kPatience)), Errc::closed);
}

}  // namespace
}  // namespace sluice::inline v0::test
